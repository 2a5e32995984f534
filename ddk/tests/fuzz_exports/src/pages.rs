//! Pages: those that are granted are aligned, on a node as requested, zeroed if promised, and nobody else's.
use crate::addresses::{unreadable, unwritable};
use crate::numa;
use crate::worker::{MOST_HELD, Worker, check};
use driver_kit::abi::{
    self, KERNEL_PAGE_SIZE, NUMA_POLICY_PREFERRED, NUMA_POLICY_SET, NUMA_POLICY_STRICT, NumaPolicy,
    PAGE_REQUEST_ZEROED, PageGrant, PageRequest,
};

/// Pages that a call has granted.
pub struct Pages {
    address: u64,
    pub count: u64,
    stamp: u64,
}

impl Pages {
    /// Returns true if the pages are on this node.
    pub fn is_on(&self, node: i32) -> bool {
        // SAFETY: the function takes any number.
        unsafe { abi::Kernel_GetPageNumaNode(self.address) == node }
    }
}

/// A machine with so much memory is full sooner or later.
const MOST_AT_ONCE: u64 = 700;

pub fn step(worker: &mut Worker) {
    let is_full = worker.pages.len() == MOST_HELD;
    match worker.random.below(20) {
        0..8 if !is_full => allocate(worker),
        0..16 if !worker.pages.is_empty() => free(worker),
        16 => refused_requests(worker),
        17 => refused_calls(worker),
        18 => addresses(worker),
        _ => refused_frees(worker),
    }
}

fn words(address: u64) -> *mut u64 {
    // SAFETY: the function takes any number.
    unsafe { abi::Kernel_PhysToVirt(address) }.cast()
}

/// Returns the first and the last word of each page, with the page's number.
fn marks(address: u64, count: u64) -> impl Iterator<Item = (u64, *mut u64)> {
    let start = words(address);
    (0..count).flat_map(move |page| {
        [
            (page, start.wrapping_add(page as usize * 512)),
            (page, start.wrapping_add(page as usize * 512 + 511)),
        ]
    })
}

fn take(worker: &mut Worker, address: u64, count: u64, is_zeroed: bool) {
    check!(worker, address != 0 && address.is_multiple_of(KERNEL_PAGE_SIZE));
    check!(worker, !words(address).is_null());
    for (_, word) in marks(address, count) {
        // SAFETY: the kernel has granted the page.
        check!(worker, !is_zeroed || unsafe { word.read() } == 0);
    }
    if is_zeroed {
        let word = worker.random.index(count as usize * 512);
        // SAFETY: as above.
        check!(worker, unsafe { words(address).add(word).read() } == 0);
    }
    let stamp = worker.stamp();
    // SAFETY: as above. Both words of a page may be one.
    marks(address, count).for_each(|(page, word)| unsafe { word.write(stamp ^ page << 52) });
    worker.pages.push(Pages { address, count, stamp });
}

fn allocate(worker: &mut Worker) {
    let node = worker.random.below(crate::nodes() as u64) as i32;
    let count =
        if worker.random.once_in(20) { worker.random.sized(MOST_AT_ONCE) } else { worker.random.sized(8) };
    worker.count(1);
    // SAFETY: the functions take any numbers.
    let (address, count) = unsafe {
        match worker.random.below(6) {
            0 => (abi::Kernel_AllocatePage(), 1),
            1 => (abi::Kernel_AllocatePageLocal(), 1),
            2 => (abi::Kernel_AllocatePageFromNode(node), 1),
            3 => (abi::Kernel_AllocatePagesFromNode(count, node), count),
            _ => return allocate_by_request(worker, count),
        }
    };
    if address != 0 {
        take(worker, address, count, true);
    }
}

fn allocate_by_request(worker: &mut Worker, count: u64) {
    let policy = numa::any_policy(worker);
    let has_policy = worker.random.once_in(2);
    let alignment = worker.random.pick(&[0, 1, 4096, 8192, 1 << 16, 2 << 20]);
    let highest = worker.random.pick(&[0, 0, (1 << 32) - 1, (1 << 26) - 1]);
    let request = PageRequest {
        Flags: worker.random.pick(&[0, PAGE_REQUEST_ZEROED]),
        Count: count,
        Alignment: alignment,
        HighestAddress: highest,
        Policy: if has_policy { &policy } else { core::ptr::null() },
        ..empty_request()
    };
    let mut grant = empty_grant();
    // SAFETY: both are local variables.
    if !unsafe { abi::Kernel_AllocatePages(&request, &mut grant) } {
        check!(worker, is_untouched(&grant));
        return;
    }
    let PageGrant { Address: address, Node: node, FellBack: fell_back, .. } = grant;
    check!(worker, grant.Count == count && address.is_multiple_of(alignment.max(4096)));
    check!(worker, highest == 0 || address + count * KERNEL_PAGE_SIZE - 1 <= highest);
    // SAFETY: the functions take any numbers.
    let (first, last) = unsafe {
        (
            abi::Kernel_GetPageNumaNode(address),
            abi::Kernel_GetPageNumaNode(address + (count - 1) * KERNEL_PAGE_SIZE),
        )
    };
    check!(worker, first == node && last == node);
    // SAFETY: as above.
    let distance = unsafe { abi::Kernel_GetNumaDistance(abi::Kernel_GetCurrentNumaNode(), node) };
    check!(worker, grant.Distance as i32 == distance);
    check!(worker, fell_back <= 1);
    if has_policy {
        match policy.Kind {
            NUMA_POLICY_STRICT => check!(worker, node == policy.Node && fell_back == 0),
            NUMA_POLICY_PREFERRED => check!(worker, (fell_back == 0) == (node == policy.Node)),
            NUMA_POLICY_SET => check!(worker, policy.Nodes[node as usize / 64] >> (node % 64) & 1 == 1),
            _ => {}
        }
    }
    worker.count(4);
    take(worker, address, count, request.Flags == PAGE_REQUEST_ZEROED);
}

/// Frees some pages that the worker holds, which must be as it has left them.
pub fn free(worker: &mut Worker) {
    let index = worker.random.index(worker.pages.len());
    let Pages { address, count, stamp } = worker.pages.swap_remove(index);
    for (page, word) in marks(address, count) {
        // SAFETY: the kernel has granted the page, and the worker has not freed it.
        check!(worker, unsafe { word.read() } == stamp ^ page << 52);
    }
    worker.count(1);
    // SAFETY: the functions take any numbers.
    let freed = unsafe {
        match count {
            1 if worker.random.once_in(2) => abi::Kernel_FreePage(address),
            _ => abi::Kernel_FreePages(address, count),
        }
    };
    check!(worker, freed);
}

fn empty_request() -> PageRequest {
    PageRequest {
        Size: size_of::<PageRequest>() as u32,
        Flags: 0,
        Count: 1,
        Alignment: 0,
        HighestAddress: 0,
        Policy: core::ptr::null(),
    }
}

fn empty_grant() -> PageGrant {
    PageGrant {
        Size: size_of::<PageGrant>() as u32,
        Node: -7,
        Address: 7,
        Count: 7,
        Distance: 7,
        FellBack: 7,
    }
}

fn is_untouched(grant: &PageGrant) -> bool {
    *grant == PageGrant { Size: grant.Size, ..empty_grant() }
}

/// Requests of which one field is wrong.
fn refused_requests(worker: &mut Worker) {
    let mut request = empty_request();
    let mut grant = empty_grant();
    let policy = numa::bad_policy(worker);
    let random = &mut worker.random;
    let size = request.Size;
    match random.below(7) {
        0 => request.Size = random.below(u64::from(size)) as u32,
        1 => request.Flags = 2 << random.below(31),
        2 => request.Count = random.pick(&[0, u64::MAX, 1 << 52, 1 << 40]),
        3 => request.Alignment = random.pick(&[3, 12288, u64::MAX, 4097]),
        4 => request.HighestAddress = random.below(4095) + 1,
        5 => request.Policy = &policy,
        _ => grant.Size = random.below(u64::from(grant.Size)) as u32,
    }
    worker.count(3);
    // SAFETY: both are local variables, and refused pointers are not followed.
    unsafe {
        check!(worker, !abi::Kernel_AllocatePages(&request, &mut grant));
        check!(worker, is_untouched(&grant));
        let (request, mut grant) = (empty_request(), empty_grant());
        let bad_request = unreadable(&mut worker.random, &request);
        check!(worker, !abi::Kernel_AllocatePages(bad_request, &mut grant));
        let bad_grant = unwritable(&mut worker.random, &mut grant);
        check!(worker, !abi::Kernel_AllocatePages(&request, bad_grant));
        check!(worker, is_untouched(&grant));
    }
}

fn refused_calls(worker: &mut Worker) {
    let node = worker.random.no_index(crate::nodes());
    worker.count(4);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_AllocatePageFromNode(node) == 0);
        check!(worker, abi::Kernel_AllocatePagesFromNode(1, node) == 0);
        check!(worker, abi::Kernel_AllocatePagesFromNode(0, 0) == 0);
        let count = worker.random.pick(&[u64::MAX, 1 << 52, 1 << 40]);
        check!(worker, abi::Kernel_AllocatePagesFromNode(count, 0) == 0);
    }
}

/// Frees of what the driver does not hold, or holds otherwise.
fn refused_frees(worker: &mut Worker) {
    let hostage = worker.hostages;
    let code = refused_frees as *const ();
    worker.count(9);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, !abi::Kernel_FreePage(hostage.page()));
        check!(worker, !abi::Kernel_FreePages(hostage.pages(), hostage.page_count()));
        check!(worker, !abi::Kernel_FreePage(abi::Kernel_VirtToPhys(code.cast()) & !0xfff));
        check!(
            worker,
            !abi::Kernel_FreePage(abi::Kernel_VirtToPhys(abi::Kernel_FreePage as *const _) & !0xfff)
        );
        let nowhere = worker.random.pick(&[0, 1, u64::MAX, 1 << 52, 1 << 40, !0xfff]);
        check!(worker, !abi::Kernel_FreePage(nowhere));
        check!(worker, !abi::Kernel_FreePages(nowhere, 1));
        let Some(index) = worker.pages.len().checked_sub(1) else { return };
        let index = worker.random.index(index + 1);
        let Pages { address, count, .. } = worker.pages[index];
        check!(worker, !abi::Kernel_FreePage(address + 8));
        check!(worker, !abi::Kernel_FreePages(address, worker.random.pick(&[0, count + 1, u64::MAX])));
        if count > 1 {
            check!(worker, !abi::Kernel_FreePage(address));
            check!(worker, !abi::Kernel_FreePages(address, count - 1));
            check!(worker, !abi::Kernel_FreePages(address + KERNEL_PAGE_SIZE, count - 1));
        }
    }
}

fn addresses(worker: &mut Worker) {
    let nowhere = worker.random.pick(&[u64::MAX, 1 << 52, 1 << 60]);
    worker.count(6);
    // SAFETY: the functions take any numbers, and no pointer is followed.
    unsafe {
        check!(worker, abi::Kernel_PhysToVirt(nowhere).is_null());
        check!(worker, abi::Kernel_GetPageNumaNode(nowhere) == -1);
        check!(worker, abi::Kernel_GetNumaNodeForAddress(nowhere) == -1);
        let unmapped = crate::addresses::unmapped::<u8>(&mut worker.random);
        check!(worker, abi::Kernel_VirtToPhys(unmapped.cast()) == 0);
        if let Some(pages) = worker.pages.last() {
            let (address, offset) = (pages.address, worker.random.below(pages.count * KERNEL_PAGE_SIZE));
            let memory = abi::Kernel_PhysToVirt(address + offset);
            check!(worker, abi::Kernel_VirtToPhys(memory) == address + offset);
            check!(
                worker,
                abi::Kernel_GetNumaNodeForAddress(address + offset) == abi::Kernel_GetPageNumaNode(address)
            );
        }
    }
}

/// Returns the policy that the kinds above are checked with.
pub fn policy_of(kind: u32, node: i32, nodes: [u64; 2]) -> NumaPolicy {
    NumaPolicy {
        Size: size_of::<NumaPolicy>() as u32,
        Kind: kind,
        Node: node,
        Reserved: 0,
        Nodes: nodes,
        Weights: core::ptr::null(),
    }
}
