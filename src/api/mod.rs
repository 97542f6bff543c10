//! The doors of the server. So far there is one: HTTP.

pub mod http;
