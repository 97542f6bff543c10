//! The messages of gRPC, made from `proto/confgit/v1/config.proto`, which says what each is.
#![allow(missing_docs, clippy::all, clippy::unwrap_used)]

tonic::include_proto!("confgit.v1");

/// The same as `protoc` describes it, for clients that ask.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
