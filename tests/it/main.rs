//! Behaviour, end to end: the real binary over real repositories, driven by real clients.

mod architecture;
mod crash;

mod document;
mod faults;
mod git;
mod harness;
mod http;
mod problems;
