//! The focal point of a plan, such as the stage: found by the text that is written on it.

/// Words for focal points in the languages of plans.
const WORDS: [&str; 22] = [
    "stage",
    "screen",
    "pitch",
    "court",
    "field",
    "rink",
    "ring",
    "arena",
    "podium",
    "altar",
    "bühne",
    "leinwand",
    "spielfeld",
    "manege",
    "scène",
    "scene",
    "écran",
    "escenario",
    "pantalla",
    "palcoscenico",
    "palco",
    "toneel",
];

/// Returns whether one word of the text is in [`WORDS`], as in `MAIN STAGE`.
pub(super) fn is_looked_at(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|letter: char| !letter.is_alphabetic()).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::venue::plan::Plan;

    #[test]
    fn words_are_looked_at_whole() {
        for text in ["Stage", "MAIN STAGE", "Bühne", "La Scène", "Screen 3", "(Spielfeld)"] {
            assert!(is_looked_at(text), "{text}");
        }
        for text in ["", "Backstage", "Stages", "Foyer", "Sound and light", "First row"] {
            assert!(!is_looked_at(text), "{text}");
        }
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

    #[test]
    fn the_plans_own_point_comes_first_then_the_stage_then_the_upper_edge() {
        let areas = json!([
            {"text": {"text": "Bar"}, "position": {"x": 5, "y": 5}},
            {"text": 17, "position": "nowhere"},
            {"text": {"text": "The Stage", "position": {"x": 100, "y": 3}}, "position": {"x": 40, "y": 0}},
            {"text": "Screen", "position": {"x": 1, "y": 1}},
        ]);
        let own = plan(&json!({"x": 7, "y": 9.5}), &areas).unwrap();
        assert_eq!(own.focal_point(), (7.0, 9.5));
        assert_eq!(plan(&Value::Null, &areas).unwrap().focal_point(), (150.0, 23.0));
        let bare = json!([{"text": "Screen", "position": {"x": 1, "y": 1}}]);
        assert_eq!(plan(&Value::Null, &bare).unwrap().focal_point(), (11.0, 21.0));
        assert_eq!(plan(&Value::Null, &json!([])).unwrap().focal_point(), (150.0, 0.0));
        assert!(!own.for_pretix().contains("focal_point"), "pretix refuses keys it does not know");
        let faults = plan(&json!({"x": "left", "y": 1}), &json!([])).unwrap_err();
        assert_eq!(faults[0].path, "focal_point.x");
    }
}
