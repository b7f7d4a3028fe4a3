//! Shops, their members, and categories.

use serde_json::{Value, json};
use tessera::account;

use crate::{
    account::profile::user,
    support::{Answer, World, run},
};

async fn operator(world: &World) -> String {
    let token = user(world, "operator@example.org").await;
    account::make_operator(&world.app, "Operator@example.org").await.unwrap();
    world.app.auth.sessions.invalidate_all();
    token
}

async fn done(world: &World, token: &str, mutation: &str, object: &str, input: Value) -> Answer {
    let name = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document = format!(
        "mutation($input: {name}!) {{ done: {mutation}(input: $input) {{ {object} errors {{ code path }} }} }}"
    );
    world.gql(Some(token), &document, json!({"input": input})).await
}

async fn create_shop(world: &World, token: &str, input: Value) -> Answer {
    let object = "shop { id slug name currency version viewerRole category { slug } members { accountId email role } }";
    done(world, token, "createShop", object, input).await
}

async fn create_category(world: &World, token: &str, name: &str, parent: Value) -> Answer {
    let input = json!({"name": name, "parentId": parent});
    done(world, token, "createCategory", "category { id slug depth version }", input).await
}

fn refusal(answer: &Answer) -> Value {
    answer.data("done.errors.0.code")
}

#[test]
fn a_signed_up_user_opens_a_shop_and_owns_it() {
    run(async |world: &World| {
        let token = user(world, "ada@example.org").await;
        let shop = create_shop(world, &token, json!({"name": "Café Zürich", "currency": "CHF"})).await;
        assert_eq!(shop.data("done.shop.slug"), "cafe-zuerich");
        assert_eq!(shop.data("done.shop.viewerRole"), "OWNER");
        assert_eq!(shop.data("done.shop.members.0.email"), "ada@example.org");
        let again = create_shop(world, &token, json!({"name": "Café Zürich", "currency": "CHF"})).await;
        assert_eq!(again.data("done.shop.slug"), "cafe-zuerich-2");
        let input = json!({"name": "Other", "slug": "cafe-zuerich", "currency": "CHF"});
        assert_eq!(refusal(&create_shop(world, &token, input).await), "SLUG_TAKEN");
        let input = json!({"name": "", "slug": "-", "currency": "CHF"});
        assert_eq!(refusal(&create_shop(world, &token, input).await), "INVALID");
        let shops = world.gql(Some(&token), "{ viewer { shops { role shop { slug } } } }", json!({})).await;
        assert_eq!(shops.data("viewer.shops").as_array().unwrap().len(), 2);
        let public = "{ shop(slug: \"cafe-zuerich\") { name viewerRole members { email } } }";
        let seen = world.gql(None, public, json!({})).await;
        assert_eq!(seen.data("shop"), json!({"name": "Café Zürich", "viewerRole": null, "members": null}));
        assert_eq!(seen.code().as_deref(), Some("UNAUTHENTICATED"), "{}", seen.body);
    });
}

#[test]
fn guests_and_anonymous_callers_cannot_open_shops() {
    run(async |world: &World| {
        let document =
            "mutation { createShop(input: {name: \"Abc\", currency: \"EUR\"}) { errors { code } } }";
        assert_eq!(world.gql(None, document, json!({})).await.code().as_deref(), Some("UNAUTHENTICATED"));
        let guest = "mutation { createGuestSession { session { accessToken } } }";
        let guest = world.gql(None, guest, json!({})).await.data("createGuestSession.session.accessToken");
        let answer = world.gql(guest.as_str(), document, json!({})).await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"));
    });
}

#[test]
fn shop_is_changed_only_by_managers_with_the_current_version() {
    run(async |world: &World| {
        let (ada, bob) = (user(world, "ada@example.org").await, user(world, "bob@example.org").await);
        let id =
            create_shop(world, &ada, json!({"name": "Abc", "currency": "EUR"})).await.data("done.shop.id");
        create_shop(world, &bob, json!({"name": "Bcd", "currency": "EUR"})).await;
        let update = async |token: &str, input: Value| {
            done(world, token, "updateShop", "shop { name slug version }", input).await
        };
        let input = json!({"shopId": id, "name": "New", "expectedVersion": 1});
        assert_eq!(update(&bob, input.clone()).await.code().as_deref(), Some("FORBIDDEN"));
        assert_eq!(update(&ada, input.clone()).await.data("done.shop.version"), 2);
        assert_eq!(refusal(&update(&ada, input).await), "STALE");
        let taken = json!({"shopId": id, "slug": "bcd", "expectedVersion": 2});
        assert_eq!(refusal(&update(&ada, taken).await), "SLUG_TAKEN");
        let other = json!({"shopId": "event_01h455vb4pex5vsknk084sn02q", "expectedVersion": 2});
        assert_eq!(refusal(&update(&ada, other).await), "INVALID");
    });
}

#[test]
fn the_last_owner_stays() {
    run(async |world: &World| {
        let (ada, bob) = (user(world, "ada@example.org").await, user(world, "bob@example.org").await);
        let shop = create_shop(world, &ada, json!({"name": "Abc", "currency": "EUR"})).await;
        let (id, ada_id) = (shop.data("done.shop.id"), shop.data("done.shop.members.0.accountId"));
        let set = async |token: &str, email: &str, role: &str| {
            let version = world.shop_version(id.as_str().unwrap()).await;
            let input = json!({"shopId": id, "expectedVersion": version, "email": email, "role": role});
            done(world, token, "setShopMember", "member { accountId role }", input).await
        };
        let remove = async |token: &str, account: &Value| {
            let version = world.shop_version(id.as_str().unwrap()).await;
            let input = json!({"shopId": id, "expectedVersion": version, "accountId": account});
            done(world, token, "removeShopMember", "shop { version }", input).await
        };
        assert_eq!(refusal(&set(&ada, "nobody@example.org", "OWNER").await), "NOT_FOUND");
        assert_eq!(refusal(&set(&ada, "ada@example.org", "MANAGER").await), "LAST_OWNER");
        assert_eq!(refusal(&remove(&ada, &ada_id).await), "LAST_OWNER");
        let member = set(&ada, "BOB@example.org", "MANAGER").await;
        assert_eq!(member.data("done.member.role"), "MANAGER");
        assert_eq!(set(&bob, "bob@example.org", "OWNER").await.code().as_deref(), Some("FORBIDDEN"));
        assert_eq!(set(&ada, "bob@example.org", "OWNER").await.data("done.member.role"), "OWNER");
        assert_eq!(remove(&ada, &ada_id).await.data("done.shop.version"), 4);
        assert_eq!(set(&ada, "ada@example.org", "OWNER").await.code().as_deref(), Some("FORBIDDEN"));
        assert_eq!(refusal(&remove(&bob, &member.data("done.member.accountId")).await), "LAST_OWNER");
    });
}

#[test]
fn two_owners_who_leave_concurrently_leave_one_owner() {
    run(async |world: &World| {
        let (ada, bob) = (user(world, "ada@example.org").await, user(world, "bob@example.org").await);
        for round in 0..5 {
            let name = format!("Shop {round}");
            let shop = create_shop(world, &ada, json!({"name": name, "currency": "EUR"})).await;
            let (id, ada_id) = (shop.data("done.shop.id"), shop.data("done.shop.members.0.accountId"));
            let version = &shop.data("done.shop.version");
            let input = json!({"shopId": id, "expectedVersion": version, "email": "bob@example.org", "role": "OWNER"});
            let member =
                done(world, &ada, "setShopMember", "member { accountId } shop { version }", input).await;
            let bob_id = member.data("done.member.accountId");
            let version = member.data("done.shop.version");
            let leave = async |token: &str, account: &Value, version: &Value| {
                let input = json!({"shopId": id, "expectedVersion": version, "accountId": account});
                done(world, token, "removeShopMember", "shop { version }", input).await
            };
            let (one, two) = tokio::join!(leave(&ada, &ada_id, &version), leave(&bob, &bob_id, &version));
            let stale: Vec<_> = [(&one, &ada, &ada_id), (&two, &bob, &bob_id)]
                .into_iter()
                .filter(|(answer, ..)| refusal(answer) == "STALE")
                .collect();
            let [(answer, token, account)] = stale[..] else { panic!("{one:?} {two:?}") };
            let current = answer.data("done.shop.version");
            assert_eq!(current, version.as_i64().unwrap() + 1, "the current shop: {answer:?}");
            assert_eq!(refusal(&leave(token, account, &current).await), "LAST_OWNER");
        }
    });
}

#[test]
fn shops_are_listed_by_name_searched_and_counted() {
    run(async |world: &World| {
        let token = user(world, "ada@example.org").await;
        for name in ["Cinema 50%", "Arena", "Bar", "Arena"] {
            create_shop(world, &token, json!({"name": name, "currency": "EUR"})).await;
        }
        let list = async |arguments: &str| {
            let document = format!(
                "{{ shops{arguments} {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ slug }} }} }}"
            );
            world.gql(None, &document, json!({})).await
        };
        let first = list("(first: 2)").await;
        assert_eq!(first.data("shops.totalCount"), 4);
        // Two of one name are in the order of their ids, which are random within a millisecond.
        let mut slugs: Vec<String> =
            (0..2).map(|index| first.data(&format!("shops.nodes.{index}.slug")).to_string()).collect();
        slugs.sort();
        assert_eq!(slugs, ["\"arena\"", "\"arena-2\""]);
        let after = first.data("shops.pageInfo.endCursor");
        let rest = list(&format!("(first: 2, after: {after})")).await;
        assert_eq!(rest.data("shops.nodes"), json!([{"slug": "bar"}, {"slug": "cinema-50"}]));
        assert_eq!(rest.data("shops.pageInfo.hasNextPage"), false);
        let found = list("(filter: {search: \"50% \"})").await;
        assert_eq!(found.data("shops.nodes"), json!([{"slug": "cinema-50"}]));
        for bad in ["(first: 0)", "(first: 101)", "(first: 1, last: 1)", "(after: \"x\")"] {
            assert_eq!(list(bad).await.code().as_deref(), Some("BAD_USER_INPUT"), "{bad}");
        }
    });
}

#[test]
fn operators_keep_the_tree_of_categories() {
    run(async |world: &World| {
        let ada = user(world, "ada@example.org").await;
        let refused = create_category(world, &ada, "Music", Value::Null).await;
        assert_eq!(refused.code().as_deref(), Some("FORBIDDEN"));
        let operator = operator(world).await;
        let mut parent = Value::Null;
        for depth in 1..=6 {
            let made = create_category(world, &operator, &format!("Level {depth}"), parent).await;
            assert_eq!(made.data("done.category.depth"), depth);
            parent = made.data("done.category.id");
        }
        assert_eq!(refusal(&create_category(world, &operator, "Level 7", parent).await), "TOO_DEEP");
        create_category(world, &operator, "Level 10", Value::Null).await;
        let tree = "{ categories { slug } category(slug: \"level-2\") { id version parent { slug } children { slug } } }";
        let tree = world.gql(None, tree, json!({})).await;
        assert_eq!(tree.data("categories").as_array().unwrap().len(), 7);
        assert_eq!(tree.data("category.parent.slug"), "level-1");
        assert_eq!(tree.data("category.children"), json!([{"slug": "level-3"}]));
        let id = tree.data("category.id");
        let rename = json!({"categoryId": id, "name": "Second", "expectedVersion": 1});
        let renamed =
            done(world, &operator, "updateCategory", "category { name version }", rename.clone()).await;
        assert_eq!(renamed.data("done.category"), json!({"name": "Second", "version": 2}));
        let stale = done(world, &operator, "updateCategory", "category { name version }", rename).await;
        assert_eq!(refusal(&stale), "STALE");
    });
}

#[test]
fn shops_are_found_in_their_category_and_in_those_above_it() {
    run(async |world: &World| {
        let operator = operator(world).await;
        let music = create_category(world, &operator, "Music", Value::Null).await.data("done.category.id");
        let jazz = create_category(world, &operator, "Jazz", music.clone()).await.data("done.category.id");
        let hall =
            create_category(world, &operator, "Music Hall", Value::Null).await.data("done.category.id");
        let input = json!({"name": "Blue Note", "currency": "USD", "categoryId": jazz});
        let shop = create_shop(world, &operator, input).await;
        assert_eq!(shop.data("done.shop.category.slug"), "jazz");
        let document = "query($id: ID) { shops(filter: {categoryId: $id}) { nodes { slug } } }";
        for (category, count) in [(music, 1), (jazz, 1), (hall, 0)] {
            let found = world.gql(None, document, json!({"id": category})).await;
            assert_eq!(found.data("shops.nodes").as_array().unwrap().len(), count);
        }
    });
}
