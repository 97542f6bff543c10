//! Behaviour, end to end: the real binary over real repositories, driven by real clients.

mod architecture;

mod document;
mod git;
mod harness;
mod http;
