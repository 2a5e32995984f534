//! The disk: it hands requests to the queues, restarts a controller that does not answer, and gives up one that is lost.
use crate::admin::Admin;
use crate::controller::{Controller, Fault, Queues};
use crate::pair::Pair;
use crate::placement::{Cpus, MOST_QUEUES};
use crate::queue::Queue;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use driver_kit::block::{self, Block, Geometry};
use driver_kit::device::{Device, enable};
use driver_kit::interrupt::{Handled, Interrupts};
use driver_kit::sync::{Event, Mutex};
use driver_kit::thread;
use driver_kit::timer::Timer;
use driver_kit::{error, info, parameter, time, warn};

/// How often the controller is looked at.
const LOOK_NS: u64 = 1_000_000_000;
/// How often an interrupt polls its queue at most.
const MOST_POLLS: u32 = 4;
/// How often the queues are polled if the device has no interrupts.
const POLL_NS: u64 = 1_000_000;
/// The seconds between two steps of a request's age.
const SECONDS_OF_AGE: u32 = 2;
/// The age of a request that is not waited for any longer: after 10 to 12 seconds.
const TOO_OLD: usize = 6;

/// The number of the next disk.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A disk.
pub struct Disk<'d> {
    controller: Controller<'d>,
    queues: &'d [&'d Queue<'d>],
    interrupts: Option<Interrupts<'d>>,
    /// The id of the block device; 0 before it is registered.
    block: AtomicI32,
    registered: Mutex<Option<Block<'d>>>,
    /// For a restart.
    admin: Mutex<Admin<'d>>,
    /// Set when the watcher is to look at the controller.
    attention: Event,
    /// A request is too old.
    is_silent: AtomicBool,
    /// A handler has left completions: there were more than it completes at a time.
    is_behind: AtomicBool,
    /// The driver is to give the device up, says the kernel.
    is_removed: AtomicBool,
    /// How often the controller was looked at.
    looks: AtomicU32,
    timer: Mutex<Option<Timer<'d>>>,
    poll_timer: Mutex<Option<Timer<'d>>>,
}

/// Makes a disk of a device, and registers it.
pub fn add(device: Device<'_>) -> Result<&Disk<'_>, Fault> {
    let controller = Controller::new(device)?;
    let mut admin = controller.start()?;
    let namespace = controller.identify(&mut admin).inspect_err(|_| _ = controller.disable())?;
    let mut cpus = Cpus::near(device.node());
    if let Some(queues) = parameter::number(c"queues", 1..=MOST_QUEUES as u64) {
        cpus.truncate(queues as usize);
    }
    let Queues { queues, interrupts } = controller.create_queues(&mut admin, &mut cpus)?;
    let geometry = Geometry {
        block_size: namespace.block_size,
        blocks: namespace.blocks,
        max_bytes: namespace.max_bytes,
        max_segments: crate::registers::LIST as u32,
        depth: controller.entries as u32 - 1,
    };
    let disk = Disk {
        controller,
        queues,
        interrupts,
        block: AtomicI32::new(0),
        registered: Mutex::new(None),
        admin: Mutex::new(admin),
        attention: Event::new(),
        is_silent: AtomicBool::new(false),
        is_behind: AtomicBool::new(false),
        is_removed: AtomicBool::new(false),
        looks: AtomicU32::new(0),
        timer: Mutex::new(None),
        poll_timer: Mutex::new(None),
    };
    let disk = device.keep(disk).ok_or(Fault::NoMemory("the disk"))?;
    disk.register(&geometry, &cpus)?;
    Ok(disk)
}

impl<'d> Disk<'d> {
    fn register(&'d self, geometry: &Geometry, cpus: &Cpus) -> Result<(), Fault> {
        let device = self.controller.device;
        let name = Name::new(NEXT.fetch_add(1, Ordering::Relaxed));
        let block = device.register_block(name.as_str(), geometry, self.queues);
        let block = block.ok_or(Fault::NoMemory("the block device"))?;
        self.block.store(block.id(), Ordering::Relaxed);
        *self.registered.lock() = Some(block);
        let has_interrupts = self.interrupts.is_some_and(|interrupts| self.attach(interrupts, cpus));
        self.start_timers(cpus, has_interrupts)?;
        // The last, as nothing tells it to end if something fails here.
        let watcher = device.create_thread(c"watch", self, Self::watch);
        watcher.ok_or(Fault::NoMemory("a thread"))?;
        self.log(name.as_str(), geometry, cpus, has_interrupts);
        self.controller.counters.publish(device, name.as_str());
        Ok(())
    }

    /// Brings the number of completions up to date.
    fn count_completed(&self) {
        let completed = self.queues.iter().flat_map(|queue| queue.pairs()).map(Pair::completed).sum();
        self.controller.counters.completed.raise_to(completed);
    }

    /// Lets the thread that watches the controller end.
    pub fn end(&self) {
        self.count_completed();
        self.is_removed.store(true, Ordering::Relaxed);
        self.attention.set();
    }

    fn log(&self, name: &str, geometry: &Geometry, cpus: &Cpus, has_interrupts: bool) {
        let (mib, count) = ((geometry.blocks * u64::from(geometry.block_size)) >> 20, self.queues.len());
        let queues = if count == 1 { "queue" } else { "queues" };
        let node = self.queues.first().map_or(0, |queue| queue.node());
        let interrupts = cpus.node().filter(|_| has_interrupts);
        match interrupts {
            Some(cpu_node) if cpu_node == node => {
                info!(
                    "disk {name}, {mib} MiB, {count} {queues} on {cpus}, memory and interrupts on node {node}"
                );
            }
            Some(cpu_node) => {
                info!(
                    "disk {name}, {mib} MiB, {count} {queues} on {cpus}, memory on node {node}, interrupts on node {cpu_node}"
                );
            }
            None => {
                info!(
                    "disk {name}, {mib} MiB, {count} {queues} on {cpus}, memory on node {node}, polled each millisecond"
                );
            }
        }
    }

    /// Attaches each interrupt on the CPU of its first queue. Returns false if one cannot be.
    fn attach(&'d self, interrupts: Interrupts<'d>, cpus: &Cpus) -> bool {
        let (count, vectors) = (self.queues.len(), interrupts.count());
        let contexts = self.controller.device.keep_each(vectors as usize, |vector| {
            let only = self.queues.get(vector).copied().filter(|_| vectors as usize == count);
            Some(Interrupt { disk: self, vector: vector as u32, vectors, only })
        });
        let Some(contexts) = contexts else { return false };
        contexts.iter().all(|context| {
            let cpu = cpus.of_queue(context.vector as usize);
            interrupts.attach(context.vector, Some(cpu), context, Interrupt::handle)
        })
    }

    fn start_timers(&'d self, cpus: &Cpus, has_interrupts: bool) -> Result<(), Fault> {
        let no_timer = Fault::NoMemory("a timer");
        let (device, now) = (self.controller.device, time::now_ns());
        let timer = device.create_timer(Some(cpus.of_queue(0)), self, Self::look).ok_or(no_timer)?;
        timer.set_each(now + LOOK_NS, LOOK_NS);
        *self.timer.lock() = Some(timer);
        if has_interrupts {
            return Ok(());
        }
        let timer = device.create_timer(Some(cpus.of_queue(0)), self, Self::poll_all).ok_or(no_timer)?;
        timer.set_each(now + POLL_NS, POLL_NS);
        *self.poll_timer.lock() = Some(timer);
        Ok(())
    }

    /// Polls all queues, in a timer's handler.
    fn poll_all(&self) {
        let block = self.block.load(Ordering::Relaxed);
        for queue in 0..self.queues.len() as u32 {
            block::poll_through_kernel(block, Some(queue));
        }
    }

    /// Looks whether the controller still answers, in a timer's handler.
    fn look(&self) {
        if self.controller.is_lost() {
            self.attention.set();
        }
        self.count_completed();
        if !self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(SECONDS_OF_AGE) {
            return;
        }
        for queue in self.queues {
            if queue.grow_older() >= TOO_OLD {
                self.is_silent.store(true, Ordering::Relaxed);
                self.attention.set();
            }
        }
    }

    /// Restarts the controller when it leaves a request unanswered, until it is lost, and then gives it up, on a thread of its own.
    fn watch(&self) -> c_int {
        loop {
            self.attention.wait();
            self.attention.reset();
            if self.is_removed.load(Ordering::Relaxed) || self.controller.is_lost() {
                break;
            }
            if self.is_behind.swap(false, Ordering::Relaxed) {
                self.catch_up();
            }
            if self.is_silent.load(Ordering::Relaxed) && !self.restart_if_silent() {
                break;
            }
        }
        self.give_up();
        0
    }

    /// Completes what handlers have left, and comes again if there is still more.
    fn catch_up(&self) {
        self.poll_all();
        if self.queues.iter().any(|queue| queue.has_interrupting()) {
            self.fall_behind();
            thread::yield_now();
        }
    }

    /// Leaves completions to the thread that watches.
    #[cold]
    fn fall_behind(&self) {
        self.is_behind.store(true, Ordering::Relaxed);
        self.attention.set();
    }

    /// Restarts the controller if a request is too old, and ends the outstanding ones with an error. Returns false if it does not restart.
    fn restart_if_silent(&self) -> bool {
        // An answer may be there, and only its interrupt be lost.
        self.poll_all();
        if self.queues.iter().all(|queue| queue.oldest() < TOO_OLD) {
            self.is_silent.store(false, Ordering::Relaxed);
            return true;
        }
        warn!("the controller has not answered a request in 10 s; it is reset, and its requests fail");
        let pairs = || self.queues.iter().flat_map(|queue| queue.pairs());
        pairs().for_each(Pair::suspend);
        // From here on it accesses no memory, so the requests' memory is free for other uses.
        let mut outcome = self.controller.disable();
        if outcome.is_ok() {
            pairs().for_each(Pair::end_all);
            outcome = self.controller.restart(&mut self.admin.lock(), self.queues);
            self.controller.counters.restarts.add(1);
        }
        pairs().for_each(Pair::resume);
        // The old requests were old until now.
        self.is_silent.store(false, Ordering::Relaxed);
        outcome.inspect_err(|fault| error!("{fault}")).is_ok()
    }

    /// Gives the controller up: its requests end as gone.
    fn give_up(&self) {
        drop(self.timer.lock().take());
        drop(self.poll_timer.lock().take());
        if self.controller.is_lost() {
            error!("the controller is gone, or has failed; its disk is removed");
        } else if self.is_removed.load(Ordering::Relaxed) {
            info!("the controller is given back; its disk is removed");
        } else {
            error!("the controller does not restart; its disk is removed");
        }
        // From here on it accesses no memory, so the requests' memory is free for other uses.
        if let Err(fault) = self.controller.disable() {
            warn!("{fault}");
        }
        if !self.controller.device.enable(enable::MEMORY) {
            warn!("the controller's bus mastering cannot be turned off");
        }
        drop(self.registered.lock().take());
    }
}

/// An interrupt of a disk.
struct Interrupt<'d> {
    disk: &'d Disk<'d>,
    vector: u32,
    /// How many interrupts the disk has.
    vectors: u32,
    /// The interrupt's only queue, if each queue has an interrupt of its own.
    only: Option<&'d Queue<'d>>,
}

impl Interrupt<'_> {
    /// Completes what the controller has done on a queue. A poll completes polled requests first. It returns 0 if another CPU polls,
    /// which then looks once more. The queue is named by its index: the interrupt may have moved to any CPU. A controller that completes
    /// for ever does not keep the CPU here.
    #[inline(always)]
    fn poll(&self, block: c_int, index: u32, queue: &Queue<'_>) {
        for _ in 0..MOST_POLLS {
            if block::poll_through_kernel(block, Some(index)) == 0 || !queue.has_interrupting() {
                return;
            }
        }
        self.disk.fall_behind();
    }

    /// Completes what the controller has done on the interrupt's queues.
    fn handle(&self) -> Handled {
        let block = self.disk.block.load(Ordering::Relaxed);
        if let Some(queue) = self.only {
            self.poll(block, self.vector, queue);
            return Handled::Yes;
        }
        let queues = self.disk.queues.iter().enumerate();
        for (index, queue) in queues.skip(self.vector as usize).step_by(self.vectors as usize) {
            self.poll(block, index as u32, queue);
        }
        Handled::Yes
    }
}

/// The name of a disk: `nvme` and its number.
struct Name {
    bytes: [u8; 16],
    length: usize,
}

impl Name {
    fn new(number: u32) -> Self {
        let mut name = Self { bytes: [0; 16], length: 0 };
        // There is room for the largest number.
        let _ = core::fmt::Write::write_fmt(&mut name, format_args!("nvme{number}"));
        name
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("nvme")
    }
}

impl core::fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.length..self.length + text.len()).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}
