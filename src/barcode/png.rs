//! Black-and-white PNG files.

use super::BarcodeFault;

/// Encodes a picture as a PNG file with one grey bit per pixel. Each row of `picture` starts at a byte; 1 is white.
pub(super) fn encode(picture: &[u8], width: usize, height: usize) -> Result<Vec<u8>, BarcodeFault> {
    let size = |pixels| u32::try_from(pixels).map_err(|_| BarcodeFault::Scale);
    write(picture, size(width)?, size(height)?).map_err(|_| BarcodeFault::Encoding)
}

fn write(picture: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture)?;
    writer.finish()?;
    Ok(file)
}
