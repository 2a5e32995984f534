//! Pages, the heap, and memory of each CPU.
use super::numa::read_policy;
use crate::arguments::{can_write_sized, read_sized};
use crate::enter;
use crate::finding::Kind;
use crate::regions::{PAGE, POISON, Use, pointer};
use crate::world::{Block, Pages, World, with};
use abi::{PAGE_REQUEST_ZEROED, PageGrant, PageRequest, PerCpuGrant};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// The largest alignment of a block of the heap.
const LARGEST_ALIGNMENT: usize = 2 << 20;

/// Returns the nodes to try for the calling thread: by its policy, else its preferred node, else this CPU's.
fn nodes_here(world: &mut World) -> Vec<usize> {
    let here = world.node_here();
    let preferred = world.contexts.here().preferred;
    let mut policy = world.contexts.here_mut().policy.take();
    let nodes = match &mut policy {
        Some(policy) => policy.order(&world.machine, here),
        None => world.machine.nearest(usize::try_from(preferred).unwrap_or(here)),
    };
    world.contexts.here_mut().policy = policy;
    nodes
}

/// Grants pages of the first of these nodes that has them.
fn grant(
    world: &mut World,
    nodes: &[usize],
    count: u64,
    (alignment, highest): (u64, u64),
    zeroed: bool,
) -> Option<Pages> {
    if !world.may_allocate() || count > 1 << 20 {
        return None;
    }
    let node = world.memory.take(&world.machine, nodes, count)?;
    let address = world.memory.address(node, count, alignment);
    let fill = if zeroed { 0 } else { POISON };
    let bytes = count as usize * PAGE;
    let memory = if highest != 0 && address + count * PAGE as u64 - 1 > highest {
        None
    } else {
        world.regions.allocate(bytes, PAGE, Use::Pages, Some(fill))
    };
    let Some(memory) = memory else {
        world.memory.give_back(node, count);
        return None;
    };
    let pages = Pages { address, count, node, memory: memory.expose_provenance(), owner: world.caller() };
    world.pages.push(pages);
    Some(pages)
}

fn one_page(name: &str, nodes: impl FnOnce(&mut World) -> Option<Vec<usize>>, count: u64) -> u64 {
    if count == 0 || !enter::thread(name) {
        return 0;
    }
    with(|world| {
        let nodes = nodes(world)?;
        grant(world, &nodes, count, (0, 0), true)
    })
    .map_or(0, |pages| pages.address)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePage() -> u64 {
    one_page("Kernel_AllocatePage", |world| Some(nodes_here(world)), 1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePageLocal() -> u64 {
    one_page("Kernel_AllocatePageLocal", |world| Some(world.machine.nearest(world.node_here())), 1)
}

fn nodes_near(world: &World, node: c_int) -> Option<Vec<usize>> {
    world.machine.has_node(node).map(|node| world.machine.nearest(node))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePageFromNode(node: c_int) -> u64 {
    one_page("Kernel_AllocatePageFromNode", |world| nodes_near(world, node), 1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePagesFromNode(count: u64, node: c_int) -> u64 {
    one_page("Kernel_AllocatePagesFromNode", |world| nodes_near(world, node), count)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePages(
    request: *const PageRequest,
    to: *mut PageGrant,
) -> bool {
    if !enter::thread("Kernel_AllocatePages") {
        return false;
    }
    let Some(request) = read_sized(request).filter(|_| can_write_sized(to)) else { return false };
    let is_aligned = request.Alignment == 0 || request.Alignment.is_power_of_two();
    if request.Count == 0 || !is_aligned || request.Flags & !PAGE_REQUEST_ZEROED != 0 {
        return false;
    }
    let granted = with(|world| {
        let here = world.node_here();
        let nodes = if request.Policy.is_null() {
            nodes_here(world)
        } else {
            read_policy(world, request.Policy)?.order(&world.machine, here)
        };
        let limits = (request.Alignment, request.HighestAddress);
        let zeroed = request.Flags & PAGE_REQUEST_ZEROED != 0;
        let pages = grant(world, &nodes, request.Count, limits, zeroed)?;
        Some((pages, world.machine.distance_of(here, pages.node), nodes[0]))
    });
    let Some((pages, distance, first)) = granted else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    let to = unsafe { &mut *to };
    (to.Node, to.Address, to.Count) = (pages.node as i32, pages.address, pages.count);
    (to.Distance, to.FellBack) = (distance, u32::from(pages.node != first));
    true
}

fn free_pages(name: &str, address: u64, count: u64) -> bool {
    if !enter::thread(name) {
        return false;
    }
    with(|world| {
        let caller = world.caller();
        let is_it = |pages: &Pages| (pages.address, pages.count, pages.owner) == (address, count, caller);
        let Some(index) = world.pages.iter().position(is_it) else {
            let text =
                format!("{name} was called for {count} pages at {address:#x}, which are no grant in use");
            world.found(Kind::BadFree, text);
            return false;
        };
        let pages = world.pages.swap_remove(index);
        world.memory.give_back(pages.node, count);
        if world.regions.free(pages.memory, Use::Pages) == Some(false) {
            world.found(Kind::Overrun, format!("bytes around pages at {address:#x} were overwritten"));
        }
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FreePage(page: u64) -> bool {
    free_pages("Kernel_FreePage", page, 1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FreePages(page: u64, count: u64) -> bool {
    free_pages("Kernel_FreePages", page, count)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_PhysToVirt(address: u64) -> *mut c_void {
    with(|world| {
        let has =
            |pages: &&Pages| (pages.address..pages.address + pages.count * PAGE as u64).contains(&address);
        let pages = world.pages.iter().find(has);
        pages.map_or(null_mut(), |pages| pointer(pages.memory + (address - pages.address) as usize).cast())
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_VirtToPhys(address: *const c_void) -> u64 {
    let address = address.expose_provenance();
    with(|world| {
        let has =
            |pages: &&Pages| (pages.memory..pages.memory + pages.count as usize * PAGE).contains(&address);
        if let Some(pages) = world.pages.iter().find(has) {
            return pages.address + (address - pages.memory) as u64;
        }
        // Other memory has an address of its own, which no device reaches.
        let is_known = world.regions.find(address).is_some_and(|region| !region.is_freed);
        if is_known { address as u64 } else { 0 }
    })
}

fn allocate(name: &str, size: usize, alignment: usize, node: Option<c_int>) -> *mut c_void {
    if !enter::thread(name) {
        return null_mut();
    }
    let alignment = if alignment == 0 { 16 } else { alignment };
    if size == 0 || !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
        return null_mut();
    }
    let block = with(|world| {
        let nodes = match node {
            Some(node) => nodes_near(world, node)?,
            None => nodes_here(world),
        };
        if !world.may_allocate() {
            return None;
        }
        // Blocks share pages in the kernel, so a small one takes none here.
        let pages = if size > PAGE { size.div_ceil(PAGE) as u64 } else { 0 };
        let node = world.memory.take(&world.machine, &nodes, pages)?;
        let Some(memory) = world.regions.allocate(size, alignment, Use::Heap, Some(POISON)) else {
            world.memory.give_back(node, pages);
            return None;
        };
        let owner = world.caller();
        world.heap.insert(memory.expose_provenance(), Block { owner, node, pages });
        Some(memory)
    });
    block.map_or(null_mut(), |block| block.cast())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocateMemory(size: usize, alignment: usize) -> *mut c_void {
    allocate("Kernel_AllocateMemory", size, alignment, None)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocateMemoryFromNode(
    size: usize,
    alignment: usize,
    node: c_int,
) -> *mut c_void {
    allocate("Kernel_AllocateMemoryFromNode", size, alignment, Some(node))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FreeMemory(memory: *mut c_void) {
    if !enter::thread("Kernel_FreeMemory") || memory.is_null() {
        return;
    }
    let address = memory.expose_provenance();
    with(|world| {
        let caller = world.caller();
        let Some(block) = world.heap.get(&address).filter(|block| block.owner == caller).copied() else {
            let where_it_is = world.regions.find(address).map(|region| region.describe(address));
            let what = where_it_is.unwrap_or_else(|| "no memory of the kernel".into());
            let text =
                format!("Kernel_FreeMemory was called for {address:#x}, which is no block in use: {what}");
            world.found(Kind::BadFree, text);
            return;
        };
        world.heap.remove(&address);
        world.memory.give_back(block.node, block.pages);
        if world.regions.free(address, Use::Heap) == Some(false) {
            world.found(
                Kind::Overrun,
                format!("bytes around the heap block at {address:#x} were overwritten"),
            );
        }
    });
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocatePerCpu(size: usize, grant: *mut PerCpuGrant) -> bool {
    if !enter::may_wait("Kernel_AllocatePerCpu") {
        return false;
    }
    if size == 0 || size > abi::KERNEL_LARGEST_PER_CPU || !can_write_sized(grant) {
        return false;
    }
    let stride = size.next_multiple_of(PAGE);
    let memory = with(|world| {
        let bytes = stride * world.machine.cpu_count();
        if !world.may_allocate() {
            return None;
        }
        let memory = world.regions.allocate(bytes, PAGE, Use::PerCpu, Some(0))?;
        world.per_cpu.push(memory.expose_provenance());
        Some(memory)
    });
    let Some(memory) = memory else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    let grant = unsafe { &mut *grant };
    (grant.Reserved, grant.Memory, grant.Stride) = (0, memory.cast(), stride as u64);
    true
}
