//! CPUs: which ones there are, what each has for itself, and what they ask of each other.

pub mod code_mark;
mod deferred;
pub mod device_vectors;
mod grace_period;
mod halt;
mod hook;
mod identity;
mod install;
pub mod interrupts;
mod local;
pub mod look;
mod may_wait;
mod preemption;
mod registry;
mod requests;
pub mod shootdown;
mod stop;

pub use deferred::{DeferredWork, defer, let_interrupts_in, register_deferred};
pub use grace_period::wait_for_grace_period;
pub use halt::idle;
pub use hook::Hook;
pub use identity::Cpu;
pub use install::{init_early, install};
pub use local::{Addressed, CpuLocal, Pinned};
pub(crate) use local::{cpu_local, cpu_local_addressed};
pub use may_wait::MayWait;
pub use preemption::{PreemptionOff, do_deferred, is_preemption_off};
pub use registry::{NewCpu, all, create, current, get, is_online, online};
pub use requests::serve_requests;
pub use stop::{begin_last_words, claim_verdict, end_last_words};
