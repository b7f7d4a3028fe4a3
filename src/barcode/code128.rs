//! Code 128 barcodes (ISO/IEC 15417), for scanners that cannot read QR codes.

use std::fmt::Write;

use barcoders::sym::code128;

use super::BarcodeFault;

/// Width of the quiet zone that the standard requires.
const QUIET_MODULES: usize = 10;
/// Height of the bars in modules. The standard requires 15 % of the width of a generated code.
const HEIGHT: usize = 50;
/// Pixels per module.
const SCALE: usize = 3;
/// Selects code set B, which has all printable ASCII characters.
const SET_B: char = '\u{0181}';

/// A Code 128 barcode, ready to be drawn: its modules from left to right without the quiet zone. `true` is dark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code128(Vec<bool>);

impl Code128 {
    /// Encodes a text of printable ASCII characters.
    pub fn try_new(text: &str) -> Result<Self, BarcodeFault> {
        if text.is_empty() || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(BarcodeFault::Text);
        }
        let encoded = code128::Code128::new(format!("{SET_B}{text}")).map_err(|_| BarcodeFault::Text)?;
        let encoded = encoded.encode();
        Ok(Self(encoded.into_iter().map(|module| module == 1).collect()))
    }

    fn width(&self) -> usize {
        self.0.len() + 2 * QUIET_MODULES
    }

    fn is_dark(&self, x: usize) -> bool {
        x.checked_sub(QUIET_MODULES).and_then(|x| self.0.get(x)).copied().unwrap_or_default()
    }

    /// Returns an SVG document, which can also be part of an HTML page.
    pub fn svg(&self) -> String {
        let (width, mut path, mut x) = (self.width(), String::new(), 0);
        while x < width {
            let run = (x..width).take_while(|x| self.is_dark(*x)).count();
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{x} 0h{run}v{HEIGHT}h-{run}z");
            }
            x += run.max(1);
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {width} {HEIGHT}" shape-rendering="crispEdges" role="img"><path fill="#fff" d="M0 0h{width}v{HEIGHT}H0z"/><path fill="#000" d="{path}"/></svg>"##,
            width * SCALE,
            HEIGHT * SCALE,
        )
    }

    /// Returns a PNG file with one grey bit per pixel.
    pub fn png(&self) -> Result<Vec<u8>, BarcodeFault> {
        let (width, height) = (self.width() * SCALE, HEIGHT * SCALE);
        let mut row = vec![0_u8; width.div_ceil(8)];
        for x in (0..width).filter(|x| !self.is_dark(x / SCALE)) {
            row[x / 8] |= 0x80 >> (x % 8);
        }
        let picture = row.repeat(height);
        super::png::encode(&picture, width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the symbols of the barcode, each as the widths of its bars and spaces.
    fn symbols(barcode: &Code128) -> Vec<String> {
        let mut widths: Vec<usize> = Vec::new();
        for run in barcode.0.chunk_by(|a, b| a == b) {
            widths.push(run.len());
        }
        // The stop symbol has one more bar than the others.
        let end = widths.len() - 7;
        let name = |part: &[usize]| part.iter().map(ToString::to_string).collect::<String>();
        let mut symbols: Vec<String> = widths[..end].chunks(6).map(name).collect();
        symbols.push(name(&widths[end..]));
        symbols
    }

    #[test]
    fn symbols_follow_the_standard() {
        // ISO/IEC 15417: start B, the values of P, J, J, 1, the check symbol of (104 + 48 + 2·42 + 3·42 + 4·17) mod
        // 103, stop.
        let check = (104 + 48 + 2 * 42 + 3 * 42 + 4 * 17) % 103;
        assert_eq!(check, 18);
        let expected = ["211214", "313121", "112313", "112313", "123221", "223211", "2331112"];
        let drawn = symbols(&Code128::try_new("PJJ1").unwrap());
        assert_eq!(drawn.first().map(String::as_str), Some(expected[0]), "start B");
        assert_eq!(drawn.last().map(String::as_str), Some(expected[6]), "stop");
        assert_eq!((drawn.len(), &drawn[2]), (7, &drawn[3]));
    }

    #[test]
    fn png_and_svg_show_the_same_modules() {
        let barcode = Code128::try_new("7K3M9QX4TA7K3M9QX").unwrap();
        let file = barcode.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file[..])).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((frame.width as usize, frame.height as usize), (barcode.width() * SCALE, HEIGHT * SCALE));
        let svg = barcode.svg();
        let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut shown = vec![false; barcode.width()];
        for run in path.split('M').skip(1) {
            let numbers: Vec<usize> = run.split([' ', 'h', 'v']).map(|n| n.parse().unwrap_or(0)).collect();
            shown[numbers[0]..numbers[0] + numbers[2]].fill(true);
        }
        for (x, shown) in shown.into_iter().enumerate() {
            let pixel = x * SCALE;
            assert_eq!(bytes[pixel / 8] & (0x80 >> (pixel % 8)) == 0, shown);
            assert_eq!(barcode.is_dark(x), shown);
        }
        assert!(!barcode.is_dark(QUIET_MODULES - 1) && barcode.is_dark(QUIET_MODULES));
        assert!(!svg.contains("7K3"));
    }

    #[test]
    fn text_that_cannot_be_encoded_is_refused() {
        for text in ["", "ä", "\u{0181}A", "a\nb"] {
            assert_eq!(Code128::try_new(text), Err(BarcodeFault::Text), "{text:?}");
        }
    }
}
