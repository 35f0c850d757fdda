//! Arrays that lie in someone else's file: read, turned, flipped and scaled only when their values are asked for.

use crate::blob::Blob;
use crate::error::Error;

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// The upper half of an `F32`.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl Dtype {
    /// Bytes of a number.
    pub fn width(self) -> u64 {
        match self {
            Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::F32 => 4,
            Dtype::F64 => 8,
        }
    }
}

/// A view of an array in a file.
#[derive(Clone, Debug)]
pub struct View {
    storage: Blob,
    kind: Dtype,
    big_endian: bool,
    /// Length of each axis.
    shape: Vec<usize>,
    /// Numbers from one element to the next along each axis; negative ones run backwards.
    strides: Vec<i64>,
    /// Place of the first element, in numbers.
    offset: i64,
    /// The values are these times `scale` plus `add`.
    scale: f32,
    add: f32,
}

impl View {
    /// A view of `storage`; `strides` and `offset` count numbers.
    ///
    /// # Errors
    /// The view reaches beyond the storage, or has more than 8 axes or 2^31 elements.
    pub fn new(storage: Blob, kind: Dtype, shape: Vec<usize>, strides: Vec<i64>, offset: i64) -> Result<Self, Error> {
        let view = View { storage, kind, big_endian: false, shape, strides, offset, scale: 1.0, add: 0.0 };
        let count = view.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        if view.shape.len() > 8 || view.shape.len() != view.strides.len() || count.is_none_or(|n| n > 1 << 31) {
            return Err(Error::TooMuch(format!("an array of shape {:?}", view.shape)));
        }
        let numbers = (view.storage.len() / kind.width()) as i64;
        match view.span() {
            None => Err(Error::TooMuch(format!("an array with strides {:?}", view.strides))),
            Some((first, last)) if count != Some(0) && (first < 0 || last >= numbers) => Err(Error::damaged(
                0,
                format!("an array of shape {:?} needs {} numbers, but {numbers} are stored", view.shape, last + 1),
            )),
            Some(_) => Ok(view),
        }
    }

    /// A view whose elements lie densely, the last axis first.
    ///
    /// # Errors
    /// As for [`View::new`].
    pub fn dense(storage: Blob, kind: Dtype, shape: Vec<usize>) -> Result<Self, Error> {
        let mut strides = vec![1_i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(i64::try_from(shape[axis]).unwrap_or(i64::MAX));
        }
        Self::new(storage, kind, shape, strides, 0)
    }

    /// As this, with numbers whose high byte comes first.
    #[must_use]
    pub fn big_endian(mut self) -> Self {
        self.big_endian = true;
        self
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// With the axes in another order.
    ///
    /// # Panics
    /// If `order` is no permutation of the axes.
    #[must_use]
    pub fn permuted(mut self, order: &[usize]) -> Self {
        assert_eq!(order.len(), self.shape.len(), "one number an axis");
        self.shape = order.iter().map(|&axis| self.shape[axis]).collect();
        self.strides = order.iter().map(|&axis| self.strides[axis]).collect();
        self
    }

    /// With an axis reversed.
    ///
    /// # Panics
    /// If there is no such axis.
    #[must_use]
    pub fn flipped(mut self, axis: usize) -> Self {
        self.offset += self.strides[axis] * (self.shape[axis] as i64 - 1).max(0);
        self.strides[axis] = -self.strides[axis];
        self
    }

    /// Without the axes of length one at the front, down to `axes` axes.
    #[must_use]
    pub fn squeezed(mut self, axes: usize) -> Self {
        while self.shape.len() > axes && self.shape[0] == 1 {
            self.shape.remove(0);
            self.strides.remove(0);
        }
        self
    }

    /// The part of the first axis from `start`, `len` long.
    ///
    /// # Panics
    /// If the axis is shorter than that.
    #[must_use]
    pub fn narrowed(mut self, start: usize, len: usize) -> Self {
        assert!(start + len <= self.shape[0], "the axis is {} long", self.shape[0]);
        self.offset += self.strides[0] * start as i64;
        self.shape[0] = len;
        self
    }

    /// The first axis, of length one, `len` times over.
    ///
    /// # Panics
    /// If the axis is longer.
    #[must_use]
    pub fn repeated(mut self, len: usize) -> Self {
        assert_eq!(self.shape[0], 1, "only an axis of length one is repeated");
        self.strides[0] = 0;
        self.shape[0] = len;
        self
    }

    /// With every value times `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f32) -> Self {
        self.scale *= factor;
        self.add *= factor;
        self
    }

    /// With `more` added to every value.
    #[must_use]
    pub fn plus(mut self, more: f32) -> Self {
        self.add += more;
        self
    }

    /// All values in row-major order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn values(&self) -> Result<Vec<f32>, Error> {
        let count = self.count();
        let mut out = Vec::with_capacity(count);
        let (Some((first, last)), 1..) = (self.span(), count) else { return Ok(out) };
        let width = self.kind.width();
        let part = self.storage.slice(first as u64 * width, (last - first + 1) as u64 * width);
        let part = part.ok_or_else(|| Error::damaged(0, "an array reaches beyond its storage"))?;
        let bytes = part.bytes(u64::MAX)?;
        let numbers = self.numbers(&bytes);
        // An odometer over all axes but the last.
        let (&inner, outer) = self.shape.split_last().unwrap_or((&1, &[]));
        let step = self.strides.last().copied().unwrap_or(0);
        let mut place = vec![0; outer.len()];
        let mut start = self.offset - first;
        'rows: loop {
            if step == 1 {
                out.extend_from_slice(&numbers[start as usize..][..inner]);
            } else {
                out.extend((0..inner as i64).map(|i| numbers[(start + i * step) as usize]));
            }
            for axis in (0..outer.len()).rev() {
                place[axis] += 1;
                start += self.strides[axis];
                if place[axis] < outer[axis] {
                    continue 'rows;
                }
                start -= self.strides[axis] * outer[axis] as i64;
                place[axis] = 0;
            }
            break;
        }
        if (self.scale.to_bits(), self.add.to_bits()) != (1.0_f32.to_bits(), 0.0_f32.to_bits()) {
            for v in &mut out {
                *v = *v * self.scale + self.add;
            }
        }
        Ok(out)
    }

    /// The only value of an array of one.
    ///
    /// # Errors
    /// There are more, or the file cannot be read.
    pub fn single(&self) -> Result<f32, Error> {
        let other = || Error::damaged(0, format!("one number is expected, not shape {:?}", self.shape));
        // Before they are read: a shape may ask for many more numbers than the file has.
        if self.shape.iter().any(|&n| n != 1) {
            return Err(other());
        }
        self.values()?.first().copied().ok_or_else(other)
    }

    /// The lowest and the highest place any element lies at; none if that overflows.
    fn span(&self) -> Option<(i64, i64)> {
        let (mut first, mut last) = (self.offset, self.offset);
        for (&n, &stride) in self.shape.iter().zip(&self.strides) {
            let reach = stride.checked_mul(i64::try_from(n.max(1) - 1).ok()?)?;
            *(if reach < 0 { &mut first } else { &mut last }) =
                (if reach < 0 { first } else { last }).checked_add(reach)?;
        }
        last.checked_add(1)?;
        Some((first, last))
    }

    /// The stored numbers as f32.
    fn numbers(&self, bytes: &[u8]) -> Vec<f32> {
        fn decode<const N: usize>(bytes: &[u8], big_endian: bool, number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            let turned = |mut raw: [u8; N]| {
                raw.reverse();
                number(raw)
            };
            let raw = bytes.as_chunks::<N>().0.iter().copied();
            if big_endian { raw.map(turned).collect() } else { raw.map(number).collect() }
        }
        match self.kind {
            Dtype::F16 => decode(bytes, self.big_endian, |raw| half::f16::from_le_bytes(raw).to_f32()),
            Dtype::Bf16 => decode(bytes, self.big_endian, |raw| half::bf16::from_le_bytes(raw).to_f32()),
            Dtype::F32 => decode(bytes, self.big_endian, f32::from_le_bytes),
            Dtype::F64 => decode(bytes, self.big_endian, |raw| f64::from_le_bytes(raw) as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(shape: &[usize]) -> View {
        let bytes: Vec<u8> = (0..shape.iter().product::<usize>()).flat_map(|i| (i as f32).to_le_bytes()).collect();
        View::dense(bytes.into(), Dtype::F32, shape.to_vec()).unwrap()
    }

    #[test]
    fn views_turn_flip_and_scale_without_moving_anything() {
        assert_eq!(counting(&[2, 3]).permuted(&[1, 0]).values().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(counting(&[2, 3]).flipped(1).values().unwrap(), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(counting(&[2, 2]).flipped(0).flipped(1).values().unwrap(), [3.0, 2.0, 1.0, 0.0]);
        assert_eq!(counting(&[3]).scaled(2.0).plus(1.0).values().unwrap(), [1.0, 3.0, 5.0]);
        assert_eq!(counting(&[1, 1, 2]).squeezed(1).shape(), [2]);
        assert_eq!(counting(&[3, 2]).narrowed(1, 2).values().unwrap(), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(counting(&[1, 2]).repeated(2).values().unwrap(), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(counting(&[]).single().unwrap().to_bits(), 0.0_f32.to_bits());
        assert_eq!(counting(&[0, 3]).values().unwrap(), [0.0; 0]);
    }

    #[test]
    fn other_kinds_of_numbers_become_f32() {
        fn single(bytes: &[u8], kind: Dtype) -> View {
            View::dense(bytes.to_vec().into(), kind, vec![1]).unwrap()
        }
        for view in [
            single(&1.5_f64.to_le_bytes(), Dtype::F64),
            single(&1.5_f64.to_be_bytes(), Dtype::F64).big_endian(),
            single(&0x3e00_u16.to_le_bytes(), Dtype::F16),
            single(&0x3fc0_u16.to_le_bytes(), Dtype::Bf16),
        ] {
            assert_eq!(view.single().unwrap().to_bits(), 1.5_f32.to_bits(), "{view:?}");
        }
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        let new = |shape: &[usize], strides: &[i64], offset| {
            View::new(vec![0; 24].into(), Dtype::F32, shape.to_vec(), strides.to_vec(), offset)
        };
        assert!(new(&[2, 3], &[3, 1], 0).is_ok());
        assert!(new(&[2, 3], &[3, 1], 1).is_err());
        assert!(new(&[2, 3], &[3, -1], 1).is_err());
        assert!(new(&[usize::MAX, 2], &[0, 0], 0).is_err());
        assert!(new(&[1 << 30, 4], &[0, 0], 0).is_err());
        assert!(new(&[2], &[i64::MAX], 1).is_err());
        assert!(new(&[1], &[1], i64::MAX).is_err());
        assert!(new(&[1], &[1], -1).is_err());
        assert!(new(&[1; 9], &[1; 9], 0).is_err());
    }
}
