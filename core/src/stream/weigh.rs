//! What an item weighs.

use std::sync::Arc;

/// The bytes of memory that an item stands for, in bounds and in statistics.
///
/// For text and slices it is the length of what they hold, and so for `Bytes` and
/// `BytesMut` of the crate `bytes`, with the feature `bytes`. A type of your own
/// weighs its own size unless it says otherwise, and must not change its
/// weight while it is queued.
///
/// ```
/// use highwater::stream::Weigh;
///
/// struct Row {
///     id: u64,
///     text: String,
/// }
///
/// impl Weigh for Row {
///     fn weight(&self) -> usize {
///         size_of_val(&self.id) + self.text.weight()
///     }
/// }
///
/// let row = Row { id: 7, text: "seven".to_owned() };
/// assert_eq!(row.weight(), 13);
/// assert_eq!(vec![row].weight(), 13);
/// assert_eq!(vec![0_u8; 100].weight(), 100);
/// ```
pub trait Weigh {
    /// Its weight in bytes.
    fn weight(&self) -> usize {
        size_of_val(self)
    }

    /// The weight of many, for types that need not look at each.
    fn weight_of_slice(items: &[Self]) -> usize
    where
        Self: Sized,
    {
        let weights = items.iter().map(Weigh::weight);
        weights.fold(0, usize::saturating_add)
    }
}

macro_rules! weigh_their_size {
    ($($type:ty),*) => {$(
        impl Weigh for $type {
            fn weight_of_slice(items: &[Self]) -> usize {
                size_of_val(items)
            }
        }
    )*};
}

weigh_their_size!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64
);

impl Weigh for str {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

#[cfg(feature = "bytes")]
impl Weigh for bytes::Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

#[cfg(feature = "bytes")]
impl Weigh for bytes::BytesMut {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<T: Weigh> Weigh for [T] {
    fn weight(&self) -> usize {
        T::weight_of_slice(self)
    }
}

impl<T: Weigh, const N: usize> Weigh for [T; N] {
    fn weight(&self) -> usize {
        T::weight_of_slice(self)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn weight(&self) -> usize {
        T::weight_of_slice(self)
    }
}

impl<T: Weigh + ?Sized> Weigh for Box<T> {
    fn weight(&self) -> usize {
        (**self).weight()
    }
}

impl<T: Weigh + ?Sized> Weigh for Arc<T> {
    fn weight(&self) -> usize {
        (**self).weight()
    }
}

impl<T: Weigh + ?Sized> Weigh for &T {
    fn weight(&self) -> usize {
        (**self).weight()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, Weigh::weight)
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn weight(&self) -> usize {
        self.0.weight().saturating_add(self.1.weight())
    }
}
