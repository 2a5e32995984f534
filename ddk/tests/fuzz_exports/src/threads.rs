//! Threads: each ends with its own code, and can be joined once.
use crate::addresses::{no_code, unmapped};
use crate::worker::{Worker, check};
use core::ffi::{c_int, c_void};
use core::ptr;
use driver_kit::abi;

/// Takes a page and frees it, then ends in one of three ways with this code.
unsafe extern "C" fn child(code: *mut c_void) -> c_int {
    // SAFETY: the functions take any numbers.
    unsafe {
        let page = abi::Kernel_AllocatePage();
        abi::Kernel_YieldThread();
        if page != 0 && !abi::Kernel_FreePage(page) {
            return -1;
        }
        match code.addr() % 3 {
            0 => abi::Kernel_ExitThread(code.addr() as c_int),
            1 => abi::Kernel_SleepThread(10_000),
            _ => {}
        }
    }
    code.addr() as c_int
}

pub fn step(worker: &mut Worker) {
    if worker.random.once_in(3) {
        refused(worker);
        return;
    }
    let code = worker.random.below(1 << 30) as usize;
    let any = worker.random.below(crate::nodes() as u64) as c_int;
    let node = worker.random.pick(&[-1, any]);
    let mut ended = -1;
    worker.count(4);
    // SAFETY: the entry takes any number, and the variables are local.
    unsafe {
        let id =
            abi::Kernel_CreateThread(c"child".as_ptr(), Some(child), ptr::without_provenance_mut(code), node);
        if id == -1 {
            return;
        }
        check!(worker, id > 0 && abi::Kernel_GetCurrentThread() != id);
        check!(worker, abi::Kernel_JoinThread(id, &mut ended) == 0);
        check!(worker, ended == code as c_int);
        check!(worker, abi::Kernel_JoinThread(id, &mut ended) == -1);
    }
}

fn refused(worker: &mut Worker) {
    let nobody = worker.random.pick(&[0, -1, c_int::MAX, c_int::MIN]);
    let node = worker.random.no_index(crate::nodes());
    let node = if node == -1 { -2 } else { node };
    // SAFETY: the kernel does not call what is no code. The type is that of a pointer that may be null.
    let no_code = unsafe { core::mem::transmute::<*const (), abi::ThreadEntry>(no_code(&mut worker.random)) };
    // Null is a thread without a name.
    let bad_name = unmapped::<core::ffi::c_char>(&mut worker.random).wrapping_add(1);
    let bad_mask = unmapped(&mut worker.random);
    let (mut code, mut mask) = (77, [77u64; 1]);
    worker.count(9);
    // SAFETY: the functions follow no pointer that they refuse.
    unsafe {
        let own = abi::Kernel_GetCurrentThread();
        check!(worker, abi::Kernel_CreateThread(c"x".as_ptr(), no_code, ptr::null_mut(), -1) == -1);
        check!(worker, abi::Kernel_CreateThread(bad_name, Some(child), ptr::null_mut(), -1) == -1);
        check!(worker, abi::Kernel_CreateThread(c"x".as_ptr(), Some(child), ptr::null_mut(), node) == -1);
        check!(worker, abi::Kernel_JoinThread(nobody, &mut code) == -1);
        check!(worker, abi::Kernel_JoinThread(own, &mut code) == -1);
        check!(worker, abi::Kernel_SetThreadAffinity(nobody, mask.as_ptr(), 1) == -1);
        check!(worker, abi::Kernel_SetThreadAffinity(own, bad_mask, 1) == -1);
        check!(worker, abi::Kernel_GetThreadAffinity(nobody, mask.as_mut_ptr(), 1) == -1);
        check!(worker, abi::Kernel_GetThreadAffinity(own, bad_mask, 1) == -1);
    }
    check!(worker, code == 77 && mask == [77]);
}
