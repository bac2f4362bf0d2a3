//! The weight of items, in bytes.

use std::sync::Arc;

/// The size of an item in bytes, for bounds and statistics.
///
/// The weight of text and slices is the size of their content. With the feature
/// `bytes`, this includes `Bytes` and `BytesMut` of the crate `bytes`. The default
/// implementation returns [`size_of_val`]. The weight of an item must not change while
/// it is queued.
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
    /// Returns the weight in bytes.
    ///
    /// ```
    /// use highwater::stream::Weigh;
    ///
    /// assert_eq!("text".weight(), 4);
    /// assert_eq!(7_u64.weight(), 8);
    /// assert_eq!(Some("text").weight(), 4);
    /// ```
    fn weight(&self) -> usize {
        size_of_val(self)
    }

    /// Returns the total weight of several items.
    ///
    /// Override it for types of a fixed weight, so that the items need not be visited.
    ///
    /// ```
    /// use highwater::stream::Weigh;
    ///
    /// assert_eq!(u16::weight_of_slice(&[1, 2, 3]), 6);
    /// assert_eq!(<&str>::weight_of_slice(&["one", "three"]), 8);
    /// ```
    fn weight_of_slice(items: &[Self]) -> usize
    where
        Self: Sized,
    {
        let weights = items.iter().map(Weigh::weight);
        weights.fold(0, usize::saturating_add)
    }
}

macro_rules! impl_weigh_by_size {
    ($($type:ty),*) => {$(
        impl Weigh for $type {
            fn weight_of_slice(items: &[Self]) -> usize {
                size_of_val(items)
            }
        }
    )*};
}

impl_weigh_by_size!(
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
