//! One file per data set; the last line is the registry.

mod album;
mod cifar;
mod idx_pair;
mod layout;
mod pickle;

/// A data set is a module here with an `ENTRY`.
macro_rules! datasets {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*
        pub(crate) static ALL: &[crate::registry::Entry] = &[$($name::ENTRY),*];
    };
}

datasets! { digits, gaussians, teacher, mnist, fashion_mnist, cifar10, cifar100, tiny_imagenet, image_folder, glyphs }
