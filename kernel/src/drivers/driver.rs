//! A driver: its image in memory, and the owner that its threads carry. It is loaded, then started on a thread of its own; one
//! that refuses to start is unloaded.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::loader::{LoadError, LoadedImage};
use super::{failure, loaded_drivers};
use crate::cpu;
use crate::memory::protection;
use crate::threads::Mutex;
use crate::threads::join::Joining;
use crate::threads::lifecycle::{self, CreateError};
use crate::threads::owner::{Life, Owner};
use crate::threads::thread::Start;
use crate::threads::{owners, sleep};
use core::ffi::c_int;
use core::fmt;
use driver_text::text_as_one_line;
use events::Left;

/// A driver that is loaded and has not run yet.
pub struct Driver {
    owner: &'static Owner,
    init: Start,
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
        /// What the kernel took back.
        end: DriverEnd,
    },
    /// It has failed before `Driver_Init` had returned.
    Failed(&'static Owner, DriverEnd),
    /// It has failed, and another thread has ended it, and has reported that.
    FailedAndReported,
    /// A driver of this name is loaded.
    Loaded,
    /// The driver was stopped before `Driver_Init` had returned.
    Stopped,
}

impl StartError {
    /// Returns what the kernel took back from the driver.
    pub fn left(&self) -> Left {
        match self {
            Self::Refused { end, .. } => end.left,
            _ => Left::default(),
        }
    }
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
            Self::NoThread(CreateError::Stopping) => out.write_str("it is being stopped"),
            Self::Stopped => out.write_str("it was stopped before Driver_Init had returned"),
            Self::Failed(_, end) => write!(out, "it has failed{end}"),
            Self::FailedAndReported => out.write_str("it has failed"),
            Self::Loaded => out.write_str("it is loaded already"),
            Self::Refused { code, end } => write!(out, "Driver_Init returned {code}{end}"),
        }
    }
}

impl Driver {
    /// Loads a driver's file into memory of the running CPU's node, or of the nearest node that has enough. `resolve`
    /// returns the address of the kernel's export of a name.
    ///
    /// # Errors
    /// [`StartError::Load`], [`StartError::Loaded`] or [`StartError::NoMemory`]; none of the image stays in memory.
    pub fn load(
        name: &str,
        bytes: &'static [u8],
        resolve: fn(&str) -> Option<u64>,
    ) -> Result<Self, StartError> {
        // Owners are created by one thread at a time.
        let _loading = LOADING.lock();
        if loaded_drivers::find(&text_as_one_line::<96>(name)).is_some() {
            return Err(StartError::Loaded);
        }
        let key = protection::take_key();
        let image = LoadedImage::load(bytes, cpu::current().node, key, resolve)
            .inspect_err(|_| protection::give_back_key(key))
            .map_err(StartError::Load)?;
        // Threads refer to the owner for as long as they live. The next driver of this name has it, too.
        let Some(owner) = owners::create(text_as_one_line(name), image.addresses()) else {
            // SAFETY: none of the image's code has run, and its addresses have not left this function.
            unsafe { image.unload() };
            protection::give_back_key(key);
            return Err(StartError::NoMemory);
        };
        owner.set_protection_key(key);
        // SAFETY: the image is unloaded below, and then nothing is started, or by `end_driver`, after the thread's end.
        let init = unsafe { image.init() };
        if let Err(image) = loaded_drivers::insert(owner, image) {
            give_up(owner, image);
            return Err(StartError::NoMemory);
        }
        Ok(Self { owner, init })
    }

    /// Starts a thread that runs `Driver_Init`, on the running CPU and with no preferred node and no policy.
    ///
    /// # Errors
    /// [`StartError::NoThread`]; the image is unloaded.
    pub fn start(self) -> Result<Starting, StartError> {
        let Self { owner, init } = self;
        match lifecycle::create_for_driver("Driver_Init", init, owner, cpu::current()) {
            Ok(init) => Ok(Starting { owner, init, life: owner.lives() }),
            Err(error) => {
                if let Some(image) = loaded_drivers::remove(owner) {
                    give_up(owner, image);
                }
                Err(StartError::NoThread(error))
            }
        }
    }
}

/// Returns why a driver has not started that another thread ends. If it has failed, waits for its end first: it may then be loaded again.
fn wait_for_end(owner: &Owner, life: u32) -> StartError {
    if owner.lives() == life && !owner.has_failed() {
        return StartError::Stopped;
    }
    while owner.lives() == life && !matches!(owner.life(), Life::Stuck | Life::Over) {
        sleep::sleep_ns(PAUSE_NS);
    }
    failure::wait_for_reports();
    StartError::FailedAndReported
}

/// How long to wait between two looks at a driver that ends.
const PAUSE_NS: u64 = 1_000_000;

/// Held while a driver is loaded.
static LOADING: Mutex<()> = Mutex::new(());

/// Unloads a driver of which nothing has run.
fn give_up(owner: &'static Owner, image: LoadedImage) {
    owner.take_back_memory();
    // SAFETY: none of the image's code has run, and nothing keeps an address of it.
    unsafe { image.unload() };
    protection::give_back_key(owner.protection_key());
    owner.set_life(Life::Over);
}

/// A driver whose `Driver_Init` runs, or has returned and was not judged yet.
pub struct Starting {
    owner: &'static Owner,
    /// The thread that runs `Driver_Init`.
    init: Joining,
    /// Which life of the driver this belongs to.
    life: u32,
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

    /// Waits until `Driver_Init` has returned.
    ///
    /// # Errors
    /// [`StartError::Refused`] or [`StartError::Failed`]; the driver has ended, and the error says whether its memory stays.
    /// [`StartError::Stopped`] or [`StartError::FailedAndReported`]: another thread ends it.
    pub fn finish(self) -> Result<&'static Owner, StartError> {
        let Self { owner, init, life } = self;
        let code = init.finish();
        let unreported = owner.refusals().unreported();
        if unreported > 0 {
            log::warn!(target: "pages", "{}: {unreported} more of its frees were refused", owner.name());
        }
        let is_same_life = owner.lives() == life;
        if code == 0 && is_same_life && !owner.is_stopping() {
            loaded_drivers::set_started(owner);
            // If it fails from here on, another thread ends it.
            if !owner.has_failed() {
                return Ok(owner);
            }
        }
        if !is_same_life || !owner.begin_stop() {
            return Err(wait_for_end(owner, life));
        }
        if owner.has_failed() {
            return Err(StartError::Failed(owner, end_driver(owner, Why::Failed)));
        }
        Err(StartError::Refused { code, end: end_driver(owner, Why::Refused) })
    }
}
