//! The words that typing errors lead to.

/// Spellings of words with one letter left out.
pub mod deletion {
    use sea_orm::entity::prelude::*;

    /// One spelling of an indexed word: the word itself, or the word with one letter left out.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "search_deletion")]
    pub struct Model {
        /// The spelling.
        #[sea_orm(primary_key, auto_increment = false)]
        pub spelling: String,
        /// The word.
        #[sea_orm(primary_key, auto_increment = false)]
        pub word: String,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
