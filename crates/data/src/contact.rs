//! Contact sheets: a few images per class as one PNG, one class per row.

use crate::{DataError, Dataset, Features};

/// Pixels between images.
const GAP: usize = 2;
/// Grey of the gaps.
const GROUND: u8 = 96;

/// A PNG with the first `cols` images of each of the first `rows` classes, one class per row in label order. The names of
/// the shown classes go into the PNG's text entry "Description", top to bottom.
///
/// # Errors
/// If the data set has no images (1 or 3 channels of bytes) or no classes.
pub fn contact_sheet(
    dataset: &Dataset,
    rows: usize,
    cols: usize,
    class_names: &[String],
) -> Result<Vec<u8>, DataError> {
    let unfit = |message: &str| DataError::Unfit { name: dataset.name.clone(), message: message.to_owned() };
    let (Features::U8 { pixels, .. }, &[channels @ (1 | 3), height, width]) =
        (&dataset.features, dataset.example_shape.dims())
    else {
        return Err(unfit("only grey or colour images can be drawn"));
    };
    let (Some(labels), Some(classes)) = (dataset.labels(), dataset.classes()) else {
        return Err(unfit("a contact sheet is grouped by class, and there are no classes"));
    };
    let (rows, cols) = (rows.clamp(1, classes), cols.max(1));
    let (sheet_width, sheet_height) = (cols * (width + GAP) + GAP, rows * (height + GAP) + GAP);
    let mut sheet = vec![GROUND; sheet_width * sheet_height * channels];
    for class in 0..rows {
        let members = labels.iter().enumerate().filter(|(_, l)| **l as usize == class).take(cols);
        for (col, (example, _)) in members.enumerate() {
            let image = &pixels[example * channels * height * width..][..channels * height * width];
            let (top, left) = (GAP + class * (height + GAP), GAP + col * (width + GAP));
            for (k, &value) in image.iter().enumerate() {
                let (channel, y, x) = (k / (height * width), k / width % height, k % width);
                sheet[((top + y) * sheet_width + left + x) * channels + channel] = value;
            }
        }
    }
    let names = class_names.iter().take(rows).map(String::as_str).collect::<Vec<_>>().join(", ");
    encode(&sheet, sheet_width, sheet_height, channels, &format!("{}, rows: {names}", dataset.name))
        .map_err(|e| unfit(&format!("the PNG could not be written: {e}")))
}

fn encode(
    sheet: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    text: &str,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_itxt_chunk("Description".to_owned(), text.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(sheet)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Targets;
    use realign_tensor::Shape;

    /// Decoded again, every pixel is where it belongs.
    #[test]
    fn a_sheet_decodes_to_the_images_by_class() {
        let dataset = Dataset {
            name: "test".into(),
            features: Features::U8 { pixels: (0..24).collect(), mean: vec![0.0; 3], sd: vec![1.0; 3] },
            targets: Targets::Classes { labels: vec![1, 0], classes: 2 },
            example_shape: Shape::new(&[3, 2, 2]),
        };
        let names = ["zero".to_owned(), "one".to_owned()];
        let bytes = contact_sheet(&dataset, 2, 1, &names).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (6, 10));
        let at = |y: usize, x: usize| &pixels[(y * 6 + x) * 3..][..3];
        assert_eq!(at(0, 0), [GROUND; 3]);
        // Class 0 is example 1: its channels begin at 12, 16 and 20.
        assert_eq!(at(2, 2), [12, 16, 20]);
        assert_eq!(at(3, 3), [15, 19, 23]);
        assert_eq!(at(6, 3), [1, 5, 9]);
    }

    #[test]
    fn vectors_cannot_be_drawn() {
        let dataset = Dataset {
            name: "v".into(),
            features: Features::F64(vec![0.0; 2]),
            targets: Targets::Classes { labels: vec![0], classes: 1 },
            example_shape: Shape::new(&[2]),
        };
        assert!(contact_sheet(&dataset, 1, 1, &[]).unwrap_err().to_string().contains("only grey or colour"));
    }
}
