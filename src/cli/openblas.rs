//! The linear algebra library that the binary links.

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn openblas_set_num_threads(threads: c_int);
    fn openblas_get_config() -> *const c_char;
}

/// Our own threads evaluate scores and run fits side by side; OpenBLAS would start as many again for each of them, and
/// its results would depend on their number.
pub fn use_one_thread() {
    // SAFETY: OpenBLAS, which the library links, exports this function; any positive count is valid, and no other
    // thread runs yet.
    unsafe { openblas_set_num_threads(1) }
}

/// OpenBLAS's version and how it was built.
pub fn version() -> String {
    // SAFETY: OpenBLAS, which the library links, exports this function; it returns a string that lives for ever.
    let config = unsafe { CStr::from_ptr(openblas_get_config()) };
    config.to_string_lossy().trim().to_owned()
}
