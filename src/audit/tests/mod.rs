mod anchors;
mod counting;
mod fixture;
mod reading;
mod reopening;
mod tampering;
mod verifying;
mod writing;
