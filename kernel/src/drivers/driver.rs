//! A driver: its image in memory, and the owner that its threads carry. It is loaded, then started; one that refuses to
//! start is unloaded.
use super::loader::{LoadError, LoadedImage};
use crate::cpu;
use crate::threads::cpu_threads;
use crate::threads::owner::Owner;
use alloc::boxed::Box;
use core::ffi::c_int;
use core::fmt;

/// A driver that is loaded and has not run yet.
pub struct Driver {
    image: LoadedImage,
    owner: &'static Owner,
}

/// Why a driver does not run.
#[derive(Debug)]
pub enum StartError {
    /// The file cannot be loaded.
    Load(LoadError),
    /// `Driver_Init` returned this code, which is not 0.
    Refused {
        /// What `Driver_Init` returned.
        code: c_int,
        /// How many threads it left running. The image stays in memory if there are any.
        threads: u32,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(out),
            Self::Refused { code, threads: 0 } => write!(out, "Driver_Init returned {code}"),
            Self::Refused { code, threads } => write!(
                out,
                "Driver_Init returned {code}; its memory stays, threads that still run in it: {threads}"
            ),
        }
    }
}

impl Driver {
    /// Loads a driver's file into memory of the running CPU's node, or of the nearest node that has enough. `resolve`
    /// returns the address of the kernel's export of a name.
    ///
    /// # Errors
    /// [`StartError::Load`]; none of the image stays in memory.
    pub fn load(name: &str, bytes: &[u8], resolve: fn(&str) -> Option<u64>) -> Result<Self, StartError> {
        let image = LoadedImage::load(bytes, cpu::current().node, resolve).map_err(StartError::Load)?;
        // Threads refer to the owner for as long as they live. The owner of a driver that refuses is a few lost bytes.
        let owner = Box::leak(Box::new(Owner::new(name)));
        Ok(Self { image, owner })
    }

    /// Calls `Driver_Init` on the running thread. A driver that starts stays in memory until the machine stops.
    ///
    /// # Errors
    /// [`StartError::Refused`]; the image is unloaded if no thread is left that may run in it.
    pub fn start(self) -> Result<(), StartError> {
        let Self { image, owner } = self;
        let code = cpu_threads::current_thread().run_as_driver(owner, || image.init());
        let unreported = owner.refusals().unreported();
        if unreported > 0 {
            log::warn!(target: "pages", "{}: {unreported} more of its frees were refused", owner.name());
        }
        if code == 0 {
            return Ok(());
        }
        let threads = owner.threads();
        if threads == 0 {
            // SAFETY: `Driver_Init` has returned, and the owner counts no thread, so none of the code runs. Nothing keeps an
            // address of the image: exports keep no pointer of a driver past their return.
            unsafe { image.unload() };
        }
        Err(StartError::Refused { code, threads })
    }
}
