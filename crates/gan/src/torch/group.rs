//! Processes that train one run, by libtorch's process groups (c10d): Gloo, and NCCL for CUDA devices.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::marker::{PhantomData, PhantomPinned};
use std::ptr::NonNull;
use std::time::Duration;

use crate::{Collective, Device, Error, Member};

/// `Group` of c10d.cpp.
#[repr(C)]
struct Handle {
    _opaque: [u8; 0],
    _neither_sent_nor_moved: PhantomData<(*mut u8, PhantomPinned)>,
}

#[expect(unsafe_code, reason = "the functions of c10d.cpp, which is compiled with this file")]
unsafe extern "C" {
    fn tadne_c10d_error() -> *const c_char;
    fn tadne_c10d_join(
        host: *const c_char,
        port: u16,
        rank: c_int,
        size: c_int,
        restarts: c_uint,
        agent_listens: bool,
        device: c_int,
        timeout_ms: i64,
    ) -> *mut Handle;
    fn tadne_c10d_sum(group: *mut Handle, values: *mut f32, count: usize) -> bool;
    fn tadne_c10d_leave(group: *mut Handle);
}

/// A process among those of a run.
pub(crate) struct Group {
    handle: NonNull<Handle>,
    rank: usize,
    size: usize,
}

impl Group {
    /// See [`Member::join`].
    pub(crate) fn join(member: &Member, device: Device, timeout: Duration) -> Result<Self, Error> {
        let fail = |what: String| Error::Ranks { what };
        let number =
            |n: usize| c_int::try_from(n).map_err(|_| fail(format!("{n} is too large a number for a process")));
        let host = CString::new(member.host.as_str()).map_err(|_| fail("MASTER_ADDR has a zero byte in it".into()))?;
        let cuda = if let Device::Cuda(index) = device {
            // Loads libtorch's CUDA, where NCCL is.
            super::open(device)?;
            number(index)?
        } else {
            -1
        };
        let (rank, size) = (number(member.rank)?, number(member.size)?);
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        #[expect(unsafe_code, reason = "a call of C")]
        // SAFETY: `host` is a string with its zero that outlives the call, which keeps no pointer to it; the rest are numbers.
        let handle = unsafe {
            tadne_c10d_join(
                host.as_ptr(),
                member.port,
                rank,
                size,
                member.restarts,
                member.agent_listens,
                cuda,
                timeout_ms,
            )
        };
        let Member { host, port, size, .. } = member;
        let handle = NonNull::new(handle).ok_or_else(|| {
            fail(format!(
                "the {size} did not meet at {host}:{port}, where they wait {timeout:?} for each other ({}); all must be started, with the same \
                 MASTER_ADDR, MASTER_PORT and WORLD_SIZE and each with its RANK, and reach each other (GLOO_SOCKET_IFNAME names the network \
                 interface)",
                said()
            ))
        })?;
        Ok(Self { handle, rank: member.rank, size: *size })
    }
}

/// What libtorch said of the call that just failed: its first line, without the place in its sources.
fn said() -> String {
    #[expect(unsafe_code, reason = "a call of C")]
    // SAFETY: the pointer is to a string with its zero, which this thread alone changes, in its next call; it is copied here.
    let text = unsafe { CStr::from_ptr(tadne_c10d_error()) }.to_string_lossy().into_owned();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, line)| line);
    // Further sentences are advice for those who debug libtorch.
    line.split_once(". ").map_or(line, |(first, _)| first).to_owned()
}

impl Collective for Group {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), Error> {
        #[expect(unsafe_code, reason = "a call of C")]
        // SAFETY: the handle is alive until `self` is dropped, and this thread's own; `values` are as many numbers, nobody else's until the call
        // returns, which it does when nothing of it goes on.
        let done = unsafe { tadne_c10d_sum(self.handle.as_ptr(), values.as_mut_ptr(), values.len()) };
        if done { Ok(()) } else { Err(Error::Peer { what: said() }) }
    }
}

impl Drop for Group {
    #[expect(unsafe_code, reason = "a call of C")]
    fn drop(&mut self) {
        // SAFETY: the handle came from `tadne_c10d_join`, and is not used again.
        unsafe { tadne_c10d_leave(self.handle.as_ptr()) }
    }
}
