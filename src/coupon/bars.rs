//! A code as a Code 128 barcode, for scanners that read no QR codes: SVG for screens and paper, PNG for mail.
//!
//! Black on white, with ten modules of quiet zone at each end; it refers to nothing outside itself.
//!
//! Invariant: the text is drawn and never written out, so no markup in it can reach the SVG.

use std::fmt::Write;

use barcoders::sym::code128::Code128;

/// The quiet zone that the standard asks for.
const QUIET_MODULES: usize = 10;
/// Height of the bars, in modules: 15 % of the width of a code of ours, as the standard asks for.
const HEIGHT: usize = 50;
/// Pixels a module.
const SCALE: usize = 3;
/// What begins a text in the character set B, which has all printable letters of ASCII.
const SET_B: char = '\u{0181}';

/// The text cannot be drawn, or the picture not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text does not fit a barcode")]
pub struct NoBars;

/// A barcode, ready to be drawn: its modules from left to right, dark or light, without the quiet zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bars(Vec<bool>);

impl Bars {
    /// Encodes a code.
    pub fn try_new(text: &str) -> Result<Self, NoBars> {
        if text.is_empty() || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(NoBars);
        }
        let encoded = Code128::new(format!("{SET_B}{text}")).map_err(|_| NoBars)?.encode();
        Ok(Self(encoded.into_iter().map(|module| module == 1).collect()))
    }

    fn width(&self) -> usize {
        self.0.len() + 2 * QUIET_MODULES
    }

    fn is_dark(&self, x: usize) -> bool {
        x.checked_sub(QUIET_MODULES).and_then(|x| self.0.get(x)).copied().unwrap_or_default()
    }

    /// An SVG document that also stands inside HTML.
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

    /// A PNG with one grey bit a pixel.
    pub fn png(&self) -> Result<Vec<u8>, NoBars> {
        let (width, height) = (self.width() * SCALE, HEIGHT * SCALE);
        let mut row = vec![0_u8; width.div_ceil(8)];
        for x in (0..width).filter(|x| !self.is_dark(x / SCALE)) {
            row[x / 8] |= 0x80 >> (x % 8);
        }
        let picture = row.repeat(height);
        let size = |pixels| u32::try_from(pixels).map_err(|_| NoBars);
        encode(&picture, size(width)?, size(height)?).map_err(|_| NoBars)
    }
}

fn encode(picture: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The symbols as values of 0 to 106, each read by the widths of its bars and gaps.
    fn symbols(bars: &Bars) -> Vec<String> {
        let mut widths: Vec<usize> = Vec::new();
        for run in bars.0.chunk_by(|a, b| a == b) {
            widths.push(run.len());
        }
        // The last symbol, which ends it, has a bar more.
        let end = widths.len() - 7;
        let name = |part: &[usize]| part.iter().map(ToString::to_string).collect::<String>();
        let mut symbols: Vec<String> = widths[..end].chunks(6).map(name).collect();
        symbols.push(name(&widths[end..]));
        symbols
    }

    #[test]
    fn a_code_is_what_the_standard_says() {
        // ISO/IEC 15417: start B, the values of P, J, J, 1, the check symbol of (104 + 48 + 2·42 + 3·42 + 4·17) mod 103,
        // stop.
        let check = (104 + 48 + 2 * 42 + 3 * 42 + 4 * 17) % 103;
        assert_eq!(check, 18);
        let expected = ["211214", "313121", "112313", "112313", "123221", "223211", "2331112"];
        let drawn = symbols(&Bars::try_new("PJJ1").unwrap());
        assert_eq!(drawn.first().map(String::as_str), Some(expected[0]), "start B");
        assert_eq!(drawn.last().map(String::as_str), Some(expected[6]), "stop");
        assert_eq!((drawn.len(), &drawn[2]), (7, &drawn[3]));
    }

    #[test]
    fn both_pictures_show_the_same_bars() {
        let bars = Bars::try_new("7K3M9QX4TA7K3M9QX").unwrap();
        let file = bars.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file[..])).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((frame.width as usize, frame.height as usize), (bars.width() * SCALE, HEIGHT * SCALE));
        let svg = bars.svg();
        let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut shown = vec![false; bars.width()];
        for run in path.split('M').skip(1) {
            let numbers: Vec<usize> = run.split([' ', 'h', 'v']).map(|n| n.parse().unwrap_or(0)).collect();
            shown[numbers[0]..numbers[0] + numbers[2]].fill(true);
        }
        for (x, shown) in shown.into_iter().enumerate() {
            let pixel = x * SCALE;
            assert_eq!(bytes[pixel / 8] & (0x80 >> (pixel % 8)) == 0, shown);
            assert_eq!(bars.is_dark(x), shown);
        }
        assert!(!bars.is_dark(QUIET_MODULES - 1) && bars.is_dark(QUIET_MODULES));
        assert!(!svg.contains("7K3"));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        for text in ["", "ä", "\u{0181}A", "a\nb"] {
            assert_eq!(Bars::try_new(text), Err(NoBars), "{text:?}");
        }
    }
}
