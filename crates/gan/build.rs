//! Finds libtorch again at run time: its folder becomes an rpath of this crate's tests, and is passed on to the binary.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
        if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
            // No symbol of libtorch_cuda is named, so the linker would drop it and CUDA would silently never be found.
            println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,-ltorch,--as-needed");
        }
        println!("cargo::metadata=LIBTORCH_LIB={lib}");
    }
}
