//! Makes the types of gRPC from `proto/`, without a compiler of protocol buffers on the machine.

use std::path::PathBuf;

use prost::Message as _;

const PROTO: &str = "proto/confgit/v1/config.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let files = protox::compile([PROTO], ["proto"])?;
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".confgit.v1")
        .codec_path("crate::wire::codec::LeanCodec")
        .compile_fds(files)?;
    Ok(())
}
