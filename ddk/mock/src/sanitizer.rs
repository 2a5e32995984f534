//! AddressSanitizer, if the test is compiled with it.
use std::ffi::c_void;
use std::sync::OnceLock;

type Forget = unsafe extern "C" fn(*const c_void, usize);

/// The function of AddressSanitizer, if it is there.
static FORGET: OnceLock<Option<Forget>> = OnceLock::new();

/// Makes AddressSanitizer forget what it knows of a stack, on which a function may have ended without returning.
pub fn forget(stack: usize, bytes: usize) {
    let forget = FORGET.get_or_init(|| {
        // SAFETY: the name ends with a zero byte.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__asan_unpoison_memory_region".as_ptr()) };
        // SAFETY: the function of this name has this type (sanitizer/asan_interface.h), and null is `None`.
        unsafe { std::mem::transmute::<*mut c_void, Option<Forget>>(found) }
    });
    if let Some(forget) = forget {
        // SAFETY: the memory is the stack's.
        unsafe { forget(std::ptr::with_exposed_provenance(stack), bytes) };
    }
}
