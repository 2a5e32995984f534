//! A driver: its image in memory, and the owner that its threads carry. It is loaded, then started on a thread of its own; one
//! that refuses to start is unloaded.
use super::loader::{LoadError, LoadedImage};
use super::per_cpu_memory;
use crate::block;
use crate::cpu;
use crate::devices::release;
use crate::threads::driver_timers;
use crate::threads::join::Joining;
use crate::threads::lifecycle::{self, CreateError};
use crate::threads::owner::Owner;
use crate::threads::owners;
use core::ffi::c_int;
use core::fmt;
use device_table::DeviceTable;
use driver_text::one_line;

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
    /// There is not enough memory for what the kernel keeps of a driver.
    NoMemory,
    /// There is no thread for `Driver_Init`.
    NoThread(CreateError),
    /// `Driver_Init` returned this code, which is not 0.
    Refused {
        /// What `Driver_Init` returned, or gave to `Kernel_ExitThread`.
        code: c_int,
        /// How many threads it left running. The image stays in memory if there are any.
        threads: u32,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(out),
            Self::NoMemory => out.write_str("there is no memory for its name"),
            Self::NoThread(CreateError::NoMemory) => out.write_str("there is no memory for its thread"),
            Self::NoThread(CreateError::TooMany) => {
                out.write_str("there are too many threads for one of its own")
            }
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
    /// [`StartError::Load`] or [`StartError::NoMemory`]; none of the image stays in memory.
    pub fn load(
        name: &str,
        bytes: &'static [u8],
        resolve: fn(&str) -> Option<u64>,
    ) -> Result<Self, StartError> {
        let image = LoadedImage::load(bytes, cpu::current().node, resolve).map_err(StartError::Load)?;
        // Threads refer to the owner for as long as they live. The owner of a driver that refuses is a few lost bytes.
        let Some(owner) = owners::create(one_line(name), image.addresses()) else {
            // SAFETY: none of the image's code has run, and its addresses have not left this function.
            unsafe { image.unload() };
            return Err(StartError::NoMemory);
        };
        Ok(Self { image, owner })
    }

    /// Starts a thread that runs `Driver_Init`, on the running CPU and with no preferred node and no policy.
    ///
    /// # Errors
    /// [`StartError::NoThread`]; the image is unloaded.
    pub fn start(self) -> Result<Starting, StartError> {
        let Self { image, owner } = self;
        // SAFETY: the image is unloaded below, where no thread was created, or in `Starting::finish`, after the thread's end.
        let start = unsafe { image.init() };
        match lifecycle::create_for_driver("Driver_Init", start, owner, cpu::current()) {
            Ok(init) => Ok(Starting { image, owner, init }),
            Err(error) => {
                owner.take_back_heap();
                // SAFETY: none of the image's code has run, and nothing keeps an address of it.
                unsafe { image.unload() };
                Err(StartError::NoThread(error))
            }
        }
    }
}

/// A driver whose `Driver_Init` runs, or has returned and was not judged yet.
pub struct Starting {
    image: LoadedImage,
    owner: &'static Owner,
    /// The thread that runs `Driver_Init`.
    init: Joining,
}

impl Starting {
    /// Returns the driver's name.
    pub fn name(&self) -> &'static str {
        self.owner.name()
    }

    /// Waits until `Driver_Init` has returned, but not much longer than `time_ns` nanoseconds. Returns true if it has returned.
    pub fn has_returned_within(&self, time_ns: u64) -> bool {
        self.init.has_ended_within(time_ns)
    }

    /// Waits until `Driver_Init` has returned. A driver that starts stays in memory until the machine stops.
    ///
    /// # Errors
    /// [`StartError::Refused`]; the image is unloaded if no thread is left that may run in it.
    pub fn finish(self) -> Result<RunningDriver, StartError> {
        let Self { image, owner, init } = self;
        let code = init.finish();
        let unreported = owner.refusals().unreported();
        if unreported > 0 {
            log::warn!(target: "pages", "{}: {unreported} more of its frees were refused", owner.name());
        }
        if code == 0 {
            return Ok(RunningDriver {
                owner,
                devices: image.devices(),
                remove_device: image.remove_device(),
            });
        }
        // No thread of the driver that still runs can count on its timers: it was refused. Nor can a callback create a thread.
        driver_timers::take_back(owner);
        let threads = owner.threads();
        if threads == 0 {
            // A thread that ran until now may have made more of them.
            driver_timers::take_back(owner);
            block::close_all(owner);
            release::release_all(owner);
            driver_timers::release_slots(owner);
            per_cpu_memory::take_back(owner);
            owner.take_back_heap();
            // SAFETY: the owner counts no thread, not even that of `Driver_Init`, so none of the code runs. A driver that
            // refuses leaves its addresses with nobody: exports keep no pointer of a driver past their return.
            unsafe { image.unload() };
        } else {
            block::close_all(owner);
            release::stop_all(owner);
        }
        Err(StartError::Refused { code, threads })
    }
}

/// A driver that has started.
#[derive(Clone, Copy)]
pub struct RunningDriver {
    /// Whom its threads, devices and memory belong to.
    pub owner: &'static Owner,
    /// The devices that it wants, and the address of its `Driver_AddDevice`. `None` if it has no such table.
    pub devices: Option<(DeviceTable<'static>, u64)>,
    /// The address of `Driver_RemoveDevice`, if the driver has that function.
    pub remove_device: Option<u64>,
}
