//! Colours: any colour of CSS as `#rrggbb`, which is safe in HTML.

/// Returns the colour as `#rrggbb` in lower case, without transparency. Returns `None` if it is not a colour of CSS.
///
/// Specification: <https://www.w3.org/TR/css-color-4/>. A text of hexadecimal digits without `#` is a colour too.
pub(super) fn color(written: &str) -> Option<String> {
    let color = csscolorparser::parse(written.trim()).ok()?;
    let [red, green, blue, _] = color.to_rgba8();
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn css_colours_become_hexadecimal_digits() {
        for (written, read) in [
            ("#33FFff", "#33ffff"),
            ("#a0C", "#aa00cc"),
            ("#a0Cf", "#aa00cc"),
            ("#11223344", "#112233"),
            ("red", "#ff0000"),
            (" RebeccaPurple ", "#663399"),
            ("rgb(1, 2, 3)", "#010203"),
            ("rgba(255,128,0,.5)", "#ff8000"),
            ("rgb(100% 0% 50% / 20%)", "#ff0080"),
            ("hsl(120, 100%, 25%)", "#008000"),
            ("hsla(240deg 100% 50% / 1)", "#0000ff"),
            ("hwb(120 0% 0%)", "#00ff00"),
            ("c0ffee", "#c0ffee"),
        ] {
            assert_eq!(color(written).as_deref(), Some(read), "{written}");
        }
    }

    #[test]
    fn other_texts_are_no_colours() {
        for written in
            ["", "#12345", "#ééé", "reddish", "url(x)", "red;}</style>", "var(--a)", "rgb(", "inherit"]
        {
            assert_eq!(color(written), None, "{written}");
        }
    }
}
