//! Numbers to a device and back, straight between its memory and the trainer's: `tch` alone would copy each of them once more in between, into memory
//! that is new each time.

use tch::{Device, Kind, Tensor};

use super::layers::Made;

/// The memory of `values` as a tensor on this machine's processor.
///
/// # Safety
/// The tensor must be gone, with all that shares its memory, before the values are. It must not be written to unless they may be.
#[expect(unsafe_code, reason = "the tensor's lifetime is not tied to its memory's")]
unsafe fn borrowed(values: *const f32, length: usize) -> Made {
    // SAFETY: so many numbers of that kind lie there, in one piece; the rest is the caller's.
    unsafe { Tensor::f_from_blob(values.cast(), &[length as i64], &[], Kind::Float, Device::Cpu) }
}

/// Numbers on a device, in a shape.
#[expect(unsafe_code, reason = "see `borrowed`")]
pub(super) fn upload(device: Device, values: &[f32], shape: &[i64]) -> Made {
    // SAFETY: it is gone at the end of this function, and what is made of it is a copy that is complete then; nobody writes.
    let own = unsafe { borrowed(values.as_ptr(), values.len()) }?;
    own.f_to_device_(device, Kind::Float, false, true)?.f_reshape(shape)
}

/// A tensor's numbers, into `to`, which must be as many.
#[expect(unsafe_code, reason = "see `borrowed`")]
pub(super) fn download_into(tensor: &Tensor, to: &mut [f32]) -> Made<()> {
    assert_eq!(tensor.numel(), to.len(), "a tensor's numbers go where there is room for all of them");
    // SAFETY: it is gone at the end of this function, when the copy is complete; nobody else has the memory.
    let mut own = unsafe { borrowed(to.as_mut_ptr(), to.len()) }?;
    own.f_copy_(&tensor.f_detach()?.f_reshape([-1])?)
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
