//! Barcodes as pictures: QR codes, and Code 128 for scanners that cannot read QR codes. SVG for screens and paper, PNG
//! for e-mail and wallets.
//!
//! The pictures are black on white, with the quiet zone that the standard requires. They refer to no external resource.
//!
//! Invariant: the text is only drawn. It is never written into the SVG, so no markup in it can reach a page.

pub mod code128;
mod png;
pub mod qr;

pub use self::{code128::Code128, qr::QrCode};

/// Why no picture was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarcodeFault {
    /// The text is empty, too long, or has a character that the barcode cannot encode.
    #[error("the text does not fit a barcode")]
    Text,
    /// The picture would be too small or too large.
    #[error("the scale must be between 1 and 32 pixels a module")]
    Scale,
    /// The PNG library failed.
    #[error("the picture could not be encoded")]
    Encoding,
}
