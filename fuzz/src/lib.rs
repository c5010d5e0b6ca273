//! The entry point that libFuzzer calls. The targets themselves are plain functions in `sockeye_testkit::fuzz`.

/// Makes a function of bytes the target of this binary.
#[macro_export]
macro_rules! target {
    ($function:path) => {
        /// # Safety
        /// libFuzzer passes `len` readable bytes.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, len: usize) -> i32 {
            // SAFETY: libFuzzer's promise; a null pointer comes only with no bytes.
            let bytes = if len == 0 {
                &[]
            } else {
                unsafe { ::core::slice::from_raw_parts(data, len) }
            };
            // A panic must end the process: libFuzzer reports it with the input.
            if ::std::panic::catch_unwind(|| $function(bytes)).is_err() {
                ::std::process::abort();
            }
            0
        }
    };
}
