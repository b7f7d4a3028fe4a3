//! The focal point of a plan, such as the stage, and the words that name one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The point that the best seats are nearest to, in plan units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FocalPoint {
    /// The distance from the plan's left edge.
    pub x: f64,
    /// The distance from the plan's upper edge.
    pub y: f64,
    /// How it was found.
    pub source: FocalSource,
}

/// How a focal point was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FocalSource {
    /// The vendor gave it, in the plan or on the event.
    Given,
    /// A text on the plan names a stage, screen, pitch or similar.
    StageText,
    /// A shape or zone without places has such a name.
    StageShape,
    /// The rows are curved around it.
    RowCurve,
    /// The rows are numbered, or listed, from the front to the back.
    RowOrder,
    /// Nothing shows the front. It is the middle of the upper edge, where plans usually have their stage.
    UpperEdge,
}

impl FocalSource {
    /// Returns the reason for the point if it is a guess.
    pub(super) fn guess(self) -> Option<&'static str> {
        match self {
            Self::Given | Self::StageText | Self::StageShape => None,
            Self::RowCurve => Some("the point around which the rows are curved"),
            Self::RowOrder => Some("the first rows, by their numbers or their order"),
            Self::UpperEdge => Some("the middle of the upper edge"),
        }
    }
}

/// Words for focal points in the languages of plans, in lower case and without accents.
const WORDS: &[&str] = &[
    // English
    "stage",
    "mainstage",
    "screen",
    "pitch",
    "court",
    "field",
    "playfield",
    "rink",
    "ring",
    "arena",
    "podium",
    "altar",
    "catwalk",
    "runway",
    "dancefloor", // German
    "buhne",
    "buehne",
    "hauptbuhne",
    "hauptbuehne",
    "leinwand",
    "spielfeld",
    "spielflache",
    "manege",
    "tanzflache",
    // French, Spanish, Catalan, Italian, Portuguese, Romanian
    "scene",
    "ecran",
    "piste",
    "escenario",
    "escenari",
    "pantalla",
    "palcoscenico",
    "palco",
    "schermo",
    "tela",
    "scena",
    // Dutch, Danish, Norwegian, Swedish, Finnish, Estonian, Icelandic
    "toneel",
    "podie",
    "scen",
    "filmduk",
    "nayttamo",
    "lava",
    "svid", // Polish, Czech, Slovak, Slovenian, Croatian
    "estrada",
    "ekran",
    "jeviste",
    "platno",
    "javisko",
    "oder",
    "pozornica",
    "pozornice",
    "bina",
    // Hungarian, Turkish, Greek, Latvian, Lithuanian
    "szinpad",
    "sahne",
    "perde",
    "σκηνη",
    "skatuve",
    "skatuves",
    "scenos", // Russian, Ukrainian, Bulgarian, Serbian
    "сцена",
    "сцены",
    "экран",
    "екран",
    "бина", // Arabic, Hebrew
    "مسرح",
    "المسرح",
    "במה",
    "הבמה",
];

/// Words for focal points in scripts without spaces.
const UNSPACED: &[&str] = &["舞台", "ステージ", "スクリーン", "银幕", "銀幕", "무대", "스크린", "เวที"];

/// Words that show that a text is about a way or place near the stage, in the same form.
const NEARBY: &[&str] = &[
    "door",
    "doors",
    "entrance",
    "entry",
    "exit",
    "access",
    "backstage",
    "side",
    "back",
    "behind",
    "to",
    "from",
    "view",
    "manager",
    "crew",
    "eingang",
    "ausgang",
    "zugang",
    "zur",
    "hinter",
    "hinterbuhne",
    "tur",
    "entree",
    "sortie",
    "acces",
    "vers",
    "entrada",
    "salida",
    "acceso",
    "saida",
    "ingresso",
    "uscita",
    "ingang",
    "uitgang",
    "wejscie",
    "vchod",
    "вход",
];

/// Returns how many other words the text has if it names a focal point, as in `MAIN STAGE`. Returns `None` if it does
/// not, as in `Stage door`.
pub(super) fn other_words(text: &str) -> Option<usize> {
    let text = folded(text);
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let unspaced =
        |word: &str| !word.is_ascii() && UNSPACED.iter().any(|stage| word.contains(&folded(stage)));
    let is_stage = |word: &&&str| WORDS.contains(*word) || unspaced(word);
    let stages = words.iter().filter(is_stage).count();
    // In an Italian theatre, `Palco 7` is a box.
    let is_box = words.first() == Some(&"palco") && words.len() > 1;
    let is_nearby = is_box || words.iter().any(|word| NEARBY.contains(word));
    (stages > 0 && !is_nearby).then(|| words.len() - stages)
}

/// Returns the text in lower case, without accents and compatibility forms.
fn folded(text: &str) -> String {
    text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::venue::plan::Plan;

    #[test]
    fn stages_are_known_in_many_languages_and_spellings() {
        for text in [
            "Stage",
            "MAIN STAGE",
            "Bühne",
            "Bu\u{308}hne",
            "BUEHNE",
            "La Scène",
            "SCENE",
            "Escenario",
            "Palco",
            "palcoscenico",
            "Screen 3",
            "(Spielfeld)",
            "Jeviště",
            "Színpad",
            "Сцена",
            "ΣΚΗΝΗ",
            "舞台",
            "メインステージ",
            "무대",
            "ＳＴＡＧＥ",
            "Sahne",
            "Näyttämö",
            "Stage/Bühne",
        ] {
            assert!(other_words(text).is_some(), "{text}");
        }
        for text in [
            "",
            "Backstage",
            "Stages",
            "Foyer",
            "Sound and light",
            "First row",
            "Stage door",
            "Zugang Bühne",
            "Palco 7",
            "Entrée scène",
            "Hinter der Bühne",
            "To the stage",
            "Obscene",
        ] {
            assert_eq!(other_words(text), None, "{text}");
        }
        assert!(
            other_words("Stage") < other_words("Stage 2")
                && other_words("Stage 2") < other_words("The big stage 2")
        );
    }

    fn plan(focal_point: &Value, areas: &Value) -> Result<Plan, Vec<super::super::Fault>> {
        let seat =
            json!({"seat_guid": "s", "seat_number": "1", "category": "c", "position": {"x": 1, "y": 1}});
        let document = json!({
            "name": "Hall", "size": {"width": 300, "height": 200}, "categories": [{"name": "c"}],
            "focal_point": focal_point,
            "zones": [{"name": "Hall", "position": {"x": 10, "y": 20}, "rows": [{"row_number": "1", "seats": [seat]}],
                "areas": areas}],
        });
        Plan::parse(&document.to_string())
    }

    fn focal(plan: &Plan) -> (f64, f64, FocalSource) {
        (plan.focal.x, plan.focal.y, plan.focal.source)
    }

    #[test]
    fn the_plans_own_point_comes_first_then_the_stage_then_the_upper_edge() {
        let areas = json!([
            {"text": {"text": "Bar"}, "position": {"x": 5, "y": 5}},
            {"text": {"text": "Stage door"}, "position": {"x": 6, "y": 6}},
            {"text": 17, "position": "nowhere"},
            {"text": {"text": "The Stage", "position": {"x": 100, "y": 3}}, "position": {"x": 40, "y": 0}},
            {"text": "Screen on the left", "position": {"x": 1, "y": 1}},
        ]);
        let own = plan(&json!({"x": 7, "y": 9.5}), &areas).unwrap();
        assert_eq!(focal(&own), (7.0, 9.5, FocalSource::Given));
        assert_eq!(focal(&plan(&Value::Null, &areas).unwrap()), (150.0, 23.0, FocalSource::StageText));
        let bare = json!([{"text": "Screen", "position": {"x": 1, "y": 1}}]);
        assert_eq!(focal(&plan(&Value::Null, &bare).unwrap()), (11.0, 21.0, FocalSource::StageText));
        let shape = json!([{"name": "Bühne", "shape": "rectangle", "rectangle": {"width": 20, "height": 10},
            "position": {"x": 30, "y": 50}}]);
        assert_eq!(focal(&plan(&Value::Null, &shape).unwrap()), (50.0, 75.0, FocalSource::StageShape));
        assert_eq!(focal(&plan(&Value::Null, &json!([])).unwrap()), (150.0, 0.0, FocalSource::UpperEdge));
        assert!(!own.for_pretix().contains("focal_point"), "pretix refuses keys it does not know");
        let faults = plan(&json!({"x": "left", "y": 1}), &json!([])).unwrap_err();
        assert_eq!(faults[0].path, "focal_point.x");
    }
}
