//! Tests with whole machines: real firmware where there is any, QEMU's, and blocks that `iasl` compiles.
mod asl;
mod iasl;
mod mutations;
mod qemu;
mod soft_off;
mod sources;
