//! Operations that both networks are made of. Maps are [pictures, height, width, channels], as this program's own; to libtorch they are tensors in
//! the memory format `channels_last`, which its fast convolutions take.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tch::{Kind, Tensor};

use super::transfer::{Made, upload};
use crate::tape::Grid;

/// Slope of the leaky ReLU below zero.
const SLOPE: f64 = 0.2;

/// Where tensors lie, and the numbers of maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) device: tch::Device,
    pub(super) kind: Kind,
}

impl Place {
    /// Numbers on the device, in a shape.
    pub(super) fn upload(self, values: &[f32], shape: &[i64]) -> Made {
        upload(self.device, values, shape)
    }

    /// Classes, as indices on the device.
    pub(super) fn indices(self, classes: &[u32]) -> Made {
        let classes: Vec<i64> = classes.iter().copied().map(i64::from).collect();
        Tensor::f_from_slice(&classes)?.f_to_device(self.device)
    }
}

/// Four sizes of a map.
pub(super) fn size(x: &Tensor) -> Made<[i64; 4]> {
    let (n, h, w, c) = x.size4()?;
    Ok([n, h, w, c])
}

/// The leaky ReLU of `x` by the signs of `signs`, which no gradient goes to: of its own for a value, of the value for a tangent.
pub(super) fn activate(x: &Tensor, signs: &Tensor) -> Made {
    signs.f_leaky_relu_backward(x, SLOPE, false)
}

/// A convolution with zeros around, [out, in, k, k].
pub(super) fn conv(x: &Tensor, filter: &Tensor, bias: Option<&Tensor>, [stride, padding]: [i64; 2]) -> Made {
    let planar = x.f_contiguous()?.f_permute([0, 3, 1, 2])?;
    let y = planar.f_conv2d(filter, bias, [stride; 2], [padding; 2], [1, 1], 1)?;
    y.f_permute([0, 2, 3, 1])
}

/// Means of 2x2 of a map.
pub(super) fn halve(x: &Tensor) -> Made {
    halve_planes(&x.f_permute([0, 3, 1, 2])?)?.f_permute([0, 2, 3, 1])
}

/// Means of 2x2 of planes.
pub(super) fn halve_planes(x: &Tensor) -> Made {
    x.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None)
}

/// A fully connected layer of rows.
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Made {
    x.f_linear(weight, bias)
}

/// Changes of grid as dense matrices: products with them are a small part of a convolution's, and their way back is one of the same kind.
#[derive(Debug, Default)]
pub(super) struct Grids {
    matrices: HashMap<(Grid, i64, Kind), Tensor>,
}

impl Grids {
    fn matrix(&mut self, place: Place, grid: Grid, length: i64, kind: Kind) -> Made<&Tensor> {
        Ok(match self.matrices.entry((grid, length, kind)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(new) => {
                let to = grid.size(length as usize) as i64;
                new.insert(place.upload(&grid.matrix(length as usize), &[to, length])?.f_to_kind(kind)?)
            }
        })
    }

    /// A map on another grid.
    pub(super) fn resample(&mut self, place: Place, x: &Tensor, grid: Grid) -> Made {
        let ([n, h, w, c], kind) = (size(x)?, x.f_kind()?);
        let rows = self.matrix(place, grid, h, kind)?;
        let height = rows.size()[0];
        let y = rows.f_expand([n, height, h], false)?.f_bmm(&x.f_reshape([n, h, w * c])?)?;
        let columns = self.matrix(place, grid, w, kind)?;
        let width = columns.size()[0];
        let y = columns.f_expand([n * height, width, w], false)?.f_bmm(&y.f_reshape([n * height, w, c])?)?;
        y.f_reshape([n, height, width, c])
    }
}
