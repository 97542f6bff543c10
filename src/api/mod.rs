//! The doors of the server: HTTP, gRPC, and Git over HTTP.

mod git;
mod grpc;
pub mod http;
