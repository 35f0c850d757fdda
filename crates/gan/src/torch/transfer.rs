//! Numbers to a device and back.

use tch::{Device, Kind, TchError, Tensor};

/// What an operation gives, or why libtorch could not do it.
pub(super) type Made<T = Tensor> = Result<T, TchError>;

/// Numbers on a device, in a shape.
pub(super) fn upload(device: Device, values: &[f32], shape: &[i64]) -> Made {
    Tensor::f_from_slice(values)?.f_to_device(device)?.f_reshape(shape)
}

/// A tensor's numbers, into `to`, which must be as many.
pub(super) fn download_into(tensor: &Tensor, to: &mut [f32]) -> Made<()> {
    assert_eq!(tensor.numel(), to.len(), "a tensor's numbers go where there is room for all of them");
    let here = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    here.f_copy_data(to, to.len())
}

/// A tensor's numbers.
pub(super) fn download(tensor: &Tensor) -> Made<Vec<f32>> {
    let mut values = vec![0.0; tensor.numel()];
    download_into(tensor, &mut values)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_nobody_shares_them() {
        let mut values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut there = upload(Device::Cpu, &values, &[2, 3]).unwrap();
        values.fill(0.0);
        assert_eq!(download(&there).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        // In the order of the shape, wherever they lie.
        let turned = there.f_permute([1, 0]).unwrap();
        download_into(&turned, &mut values).unwrap();
        let _ = there.f_fill_(7.0).unwrap();
        assert_eq!(values, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        // A graph that leads to a tensor does not follow its numbers.
        let leaf = upload(Device::Cpu, &values, &[6]).unwrap().f_set_requires_grad(true).unwrap();
        download_into(&leaf.f_mul_scalar(2.0).unwrap(), &mut values).unwrap();
        assert_eq!(values[1].to_bits(), 8f32.to_bits());
        assert!(upload(Device::Cpu, &values, &[4]).is_err());
    }

    #[test]
    #[should_panic(expected = "room for all")]
    fn too_little_room_is_refused() {
        let three = upload(Device::Cpu, &[1.0, 2.0, 3.0], &[3]).unwrap();
        let _ = download_into(&three, &mut [0.0; 2]);
    }
}
