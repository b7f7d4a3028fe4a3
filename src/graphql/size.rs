//! The size of a value as JSON in bytes, counted without writing it.

use async_graphql::Value;

/// Returns whether the value takes more than `max` bytes as JSON. Stops counting as soon as the answer is known.
pub fn exceeds(value: &Value, max: u64) -> bool {
    subtract(max, value).is_none()
}

/// Subtracts the size of the value from `room`. Returns `None` if it does not fit.
fn subtract(room: u64, value: &Value) -> Option<u64> {
    match value {
        // Each of these counts as 4 bytes: their number matters, not their exact length.
        Value::Null | Value::Boolean(_) | Value::Number(_) => room.checked_sub(4),
        Value::String(text) => text_room(room, text),
        Value::Enum(name) => text_room(room, name.as_str()),
        Value::Binary(bytes) => room.checked_sub(length(bytes.len())),
        Value::List(items) => {
            items.iter().try_fold(room.checked_sub(2)?, |room, item| subtract(room.checked_sub(1)?, item))
        }
        Value::Object(members) => members.iter().try_fold(room.checked_sub(2)?, |room, (name, value)| {
            subtract(room.checked_sub(length(name.len()) + 4)?, value)
        }),
    }
}

/// Subtracts the size of a text with its quotes and escapes.
fn text_room(room: u64, text: &str) -> Option<u64> {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    let escapes: u64 = text.bytes().map(escape).sum();
    room.checked_sub(length(text.len()) + escapes + 2)
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn size_is_about_that_of_the_text() {
        let value = value!({
            "events": [{ "name": "a \"quoted\"\nname\u{1}", "seats": 1234, "free": true }, null],
            "text": "ü".repeat(1_000),
        });
        let written = serde_json::to_string(&value).expect("JSON").len();
        let counted = (0..10_000).find(|max| !exceeds(&value, *max)).expect("a size");
        assert!(counted.abs_diff(length(written)) < 16, "{counted} {written}");
    }
}
