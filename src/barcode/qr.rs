//! QR codes.
//!
//! Error correction level M survives 15 % damage. It keeps a ticket code at 45 modules a side, or fewer if its random
//! part has long runs of digits.

use std::fmt::Write;

use qrcode::{Color, EcLevel};

use super::BarcodeFault;

/// Bytes of a text. A ticket code has 163; a scanner reads a larger picture too slowly.
const LONGEST_TEXT: usize = 512;
/// Width of the quiet zone that the standard requires.
const QUIET_MODULES: usize = 4;

/// The width and height of a module in pixels, 1–32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale(usize);

impl Scale {
    /// 8 pixels: the picture of a ticket code has 424 pixels a side.
    pub const DEFAULT: Self = Self(8);

    /// Returns the scale with this number of pixels per module.
    pub fn try_new(pixels: u8) -> Result<Self, BarcodeFault> {
        if (1..=32).contains(&pixels) { Ok(Self(usize::from(pixels))) } else { Err(BarcodeFault::Scale) }
    }
}

/// A QR code, ready to be drawn.
#[derive(Clone, Debug)]
pub struct QrCode {
    dark: Vec<bool>,
    side: usize,
}

impl QrCode {
    /// Encodes a text of 1–512 bytes. Capitals, digits and ``$%*+-./: `` alone make the smallest picture.
    pub fn try_new(text: &str) -> Result<Self, BarcodeFault> {
        if text.is_empty() || text.len() > LONGEST_TEXT {
            return Err(BarcodeFault::Text);
        }
        let code =
            qrcode::QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| BarcodeFault::Text)?;
        let side = code.width();
        Ok(Self { dark: code.into_colors().into_iter().map(|color| color == Color::Dark).collect(), side })
    }

    /// Returns the number of modules a side, with the quiet zone.
    fn modules(&self) -> usize {
        self.side + 2 * QUIET_MODULES
    }

    /// Returns whether the module is dark. Coordinates start at the corner of the quiet zone.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < self.side);
        matches!((inside(x), inside(y)), (Some(x), Some(y)) if self.dark[y * self.side + x])
    }

    /// Returns an SVG document, which can also be part of an HTML page. `scale` sets its natural size.
    pub fn svg(&self, scale: Scale) -> String {
        let modules = self.modules();
        let pixels = modules * scale.0;
        let mut path = String::new();
        for y in 0..modules {
            let mut x = 0;
            while x < modules {
                let run = (x..modules).take_while(|x| self.is_dark(*x, y)).count();
                if run > 0 {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
                }
                x += run.max(1);
            }
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{pixels}" height="{pixels}" viewBox="0 0 {modules} {modules}" shape-rendering="crispEdges" role="img"><path fill="#fff" d="M0 0h{modules}v{modules}H0z"/><path fill="#000" d="{path}"/></svg>"##
        )
    }

    /// Returns a PNG file with one grey bit per pixel.
    pub fn png(&self, scale: Scale) -> Result<Vec<u8>, BarcodeFault> {
        let modules = self.modules();
        let pixels = modules * scale.0;
        let mut picture = Vec::with_capacity(pixels.div_ceil(8) * pixels);
        for y in 0..modules {
            let mut row = vec![0_u8; pixels.div_ceil(8)];
            for x in (0..pixels).filter(|x| !self.is_dark(x / scale.0, y)) {
                row[x / 8] |= 0x80 >> (x % 8);
            }
            for _ in 0..scale.0 {
                picture.extend_from_slice(&row);
            }
        }
        super::png::encode(&picture, pixels, pixels)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::keys::SigningKeys;
    use crate::ticket::code::{self, Claims, TicketKeys, TicketVerifier};

    /// Decodes a PNG file. Returns its pixels a side, and whether each is dark.
    fn pixels(file: &[u8]) -> (usize, Vec<bool>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        assert_eq!(reader.info().color_type, png::ColorType::Grayscale);
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(frame.width, frame.height);
        let side = frame.width as usize;
        let dark =
            |i: usize| bytes[i / side * frame.line_size + i % side / 8] & (0x80 >> (i % side % 8)) == 0;
        (side, (0..side * side).map(dark).collect())
    }

    /// Reads the modules from the path of an SVG document.
    fn modules(svg: &str) -> Vec<bool> {
        let side: usize =
            svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dark = vec![false; side * side];
        for run in path.split('M').skip(1) {
            let numbers: Vec<usize> =
                run.split(['h', ' ', 'v']).take(3).map(|n| n.parse().unwrap()).collect();
            for x in numbers[0]..numbers[0] + numbers[2] {
                dark[numbers[1] * side + x] = true;
            }
        }
        dark
    }

    #[test]
    fn drawn_ticket_code_can_be_read_and_verified() {
        let keys = SigningKeys::generate().unwrap();
        let claims = Claims { ticket: Uuid::from_u128(1), event: Uuid::from_u128(2), epoch: 9 };
        let text = code::sign(&TicketKeys::new(&keys), claims);
        let drawn = QrCode::try_new(&text).unwrap();
        assert!(drawn.side <= 45, "QR version 7 at the most, not {}", drawn.side);
        let (side, dark) = pixels(&drawn.png(Scale::DEFAULT).unwrap());
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(side, side, |x, y| dark[y * side + x]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        let (_, read) = grids[0].decode().unwrap();
        assert_eq!(read, text);
        assert_eq!(code::verify(&TicketVerifier::new(keys.ticket.public()), &read), Ok(claims));
    }

    #[test]
    fn png_and_svg_show_the_same_modules_at_every_scale() {
        let drawn = QrCode::try_new("TSR1:HELLO").unwrap();
        for scale in [1, 2, 3, 7, 8, 32] {
            let scale = Scale::try_new(scale).unwrap();
            let (side, dark) = pixels(&drawn.png(scale).unwrap());
            assert_eq!(side, drawn.modules() * scale.0);
            let shown = modules(&drawn.svg(scale));
            for (i, dark) in dark.into_iter().enumerate() {
                let (x, y) = (i % side / scale.0, i / side / scale.0);
                assert_eq!(dark, drawn.is_dark(x, y));
                assert_eq!(dark, shown[y * drawn.modules() + x]);
            }
        }
    }

    #[test]
    fn quiet_zone_is_light_and_finder_patterns_are_in_its_corners() {
        let drawn = QrCode::try_new("TSR1:HELLO").unwrap();
        let last = drawn.modules() - 1;
        for at in 0..=last {
            for edge in (0..QUIET_MODULES).chain(last - QUIET_MODULES + 1..=last) {
                assert!(!drawn.is_dark(at, edge) && !drawn.is_dark(edge, at));
            }
        }
        let far = last - QUIET_MODULES;
        assert!(drawn.is_dark(4, 4) && drawn.is_dark(far, 4) && drawn.is_dark(4, far));
    }

    #[test]
    fn svg_has_no_reference_and_no_part_of_the_text() {
        let svg = QrCode::try_new("\"/><script>alert(1)</script>&").unwrap().svg(Scale::DEFAULT);
        for word in ["script", "alert", "href", "url(", "style", "&", "<?", "on"] {
            assert!(!svg.replace("crispEdges", "").contains(word), "{word}");
        }
        assert_eq!(svg.matches("http").count(), 1, "only the name space");
    }

    #[test]
    fn scale_and_text_are_bounded() {
        assert_eq!(Scale::try_new(0), Err(BarcodeFault::Scale));
        assert_eq!(Scale::try_new(33), Err(BarcodeFault::Scale));
        assert_eq!(QrCode::try_new("").err(), Some(BarcodeFault::Text));
        assert_eq!(QrCode::try_new(&"é".repeat(257)).err(), Some(BarcodeFault::Text));
        let largest = QrCode::try_new(&"é".repeat(256)).unwrap();
        assert!(largest.png(Scale::try_new(32).unwrap()).unwrap().len() < 64 * 1024);
    }
}
