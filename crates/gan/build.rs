//! With the feature `torch`: compiles what libtorch's c10d is called through (`src/torch/c10d.cpp`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "torch")]
    if std::env::var_os("CARGO_CFG_UNIX").is_some() {
        c10d();
    }
}

#[cfg(feature = "torch")]
fn c10d() {
    use std::path::{Path, PathBuf};

    println!("cargo:rerun-if-changed=src/torch/c10d.cpp");
    // torch-sys says where it has found libtorch.
    let libraries = std::env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names libtorch's folder of libraries");
    let include = Path::new(&libraries).parent().expect("the folder lies in libtorch's").join("include");
    // libtorch comes without the headers of Gloo that its own ask for; c10d.cpp declares what they need.
    let empty = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("empty");
    for header in ["algorithm.h", "common/error.h", "context.h", "rendezvous/store.h", "transport/device.h"]
        .map(|h| empty.join("gloo").join(h))
    {
        std::fs::create_dir_all(header.parent().expect("it lies in a folder")).expect("OUT_DIR can be written");
        std::fs::write(header, "").expect("OUT_DIR can be written");
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .includes([empty, include.join("torch/csrc/api/include"), include])
        .file("src/torch/c10d.cpp")
        .compile("tadne_c10d");
}
