use crate::{Dirs, DataConfig, contact_sheet, load};

#[test]
#[ignore = "draws a sheet to look at"]
fn sheet() {
    let start = std::time::Instant::now();
    let b = load(&DataConfig::new("digits").unwrap(), 1, &Dirs::default()).unwrap();
    eprintln!("12000 in {:?}", start.elapsed());
    let png = contact_sheet(&b.train, 10, 24, &b.class_names).unwrap();
    std::fs::write("/tmp/digits.png", png).unwrap();
}
