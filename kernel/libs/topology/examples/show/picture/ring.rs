//! Few nodes in a ring, with a line between any two.
use topology::NumaTopology;
use units::NodeId;

use super::svg::{Area, Colour, LINE, Point, Svg, text_width};

/// The highest number of nodes in a ring.
pub const MOST_NODES: usize = 8;

/// The places of the nodes on a circle of radius 1000, for each number of nodes.
const PLACES: [&[Point]; MOST_NODES] = [
    &[(0, 0)],
    &[(-1000, 0), (1000, 0)],
    &[(0, -1000), (866, 500), (-866, 500)],
    &[(-707, -707), (707, -707), (707, 707), (-707, 707)],
    &[(0, -1000), (951, -309), (588, 809), (-588, 809), (-951, -309)],
    &[(-500, -866), (500, -866), (1000, 0), (500, 866), (-500, 866), (-1000, 0)],
    &[(0, -1000), (782, -623), (975, 223), (434, 901), (-434, 901), (-975, 223), (-782, -623)],
    &[(-383, -924), (383, -924), (924, -383), (924, 383), (383, 924), (-383, 924), (-924, 383), (-924, -383)],
];

/// Pixels between two boxes, and between a box and a line that is not the box's.
const GAP: i64 = 70;
const CLEARANCE: i64 = 6;
/// The percentages of a line's length where its value may stand, the best first.
const PLACES_OF_VALUE: [i64; 17] = [50, 47, 53, 44, 56, 41, 59, 38, 62, 35, 65, 32, 68, 29, 71, 26, 74];
/// A distance that means that there is no way (ACPI 6.5 §5.2.17).
const UNREACHABLE: u8 = 255;

/// A line between two nodes.
struct Link {
    from: Point,
    to: Point,
    /// The distance there and the distance back.
    distances: (u8, u8),
}

impl Link {
    fn nearest(&self) -> u8 {
        self.distances.0.min(self.distances.1)
    }

    fn value(&self) -> String {
        let text = |distance: u8| if distance == UNREACHABLE { "-".into() } else { distance.to_string() };
        match self.distances {
            (there, back) if there == back => text(there),
            (there, back) => format!("{}/{}", text(there), text(back)),
        }
    }
}

/// Returns the boxes of this many nodes: as close together as the lines between them allow, from the point (0, 0).
pub fn areas(nodes: usize, width: i64, height: i64) -> Vec<Area> {
    let Some(places) = nodes.checked_sub(1).and_then(|index| PLACES.get(index)) else { return Vec::new() };
    // The largest radius is far more than eight boxes need.
    let radii = (10..400).map(|step| (step * width / 40, step * height / 40));
    let ring = |(x_radius, y_radius)| -> Vec<Area> {
        let middle = |&(x, y): &Point| (x * x_radius / 1000, y * y_radius / 1000);
        places.iter().map(|place| Area::around(middle(place), width, height)).collect()
    };
    let areas = radii.map(ring).find(|areas| is_clear(areas)).unwrap_or_default();
    let left = areas.iter().map(|area| area.x).min().unwrap_or(0);
    let top = areas.iter().map(|area| area.y).min().unwrap_or(0);
    areas.into_iter().map(|area| area.moved((-left, -top))).collect()
}

/// Returns true if there is enough space between the boxes, and no line crosses another node's box.
fn is_clear(areas: &[Area]) -> bool {
    let grown =
        |area: Area| Area::around(area.middle(), area.width + 2 * CLEARANCE, area.height + 2 * CLEARANCE);
    pairs(areas.len()).all(|(a, b)| {
        let (from, to) = (areas[a].middle(), areas[b].middle());
        let others = (0..areas.len()).filter(|&other| other != a && other != b);
        let gap = if areas.len() == 2 { 2 * GAP } else { GAP };
        !areas[a].is_near(areas[b], gap)
            && !others.into_iter().any(|it| grown(areas[it]).is_crossed(from, to))
    })
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

/// Draws the lines. The nearer two nodes are, the thicker is the line. The boxes cover the ends.
pub fn draw_lines(svg: &mut Svg, topology: &NumaTopology, areas: &[Area]) {
    let links = links(topology, areas);
    let (near, far) = bounds(&links);
    // The thickest lines come last, above the others.
    let mut order: Vec<&Link> = links.iter().collect();
    order.sort_by_key(|link| std::cmp::Reverse(link.nearest()));
    for link in order {
        if link.nearest() == UNREACHABLE {
            svg.dashed(link.from, link.to);
        } else {
            let farness = farness(link.nearest(), near, far);
            svg.line(link.from, link.to, 50 - 38 * farness / 1000, Colour::of_line(farness));
        }
    }
}

/// Draws the distances: one number if it is the same in both directions, else from the lower node / back.
pub fn draw_values(svg: &mut Svg, topology: &NumaTopology, areas: &[Area]) {
    let links = links(topology, areas);
    let mut taken = areas.to_vec();
    for (index, link) in links.iter().enumerate() {
        let value = link.value();
        let (width, height) = (text_width(value.len()) + 6, LINE);
        let at = |percent: i64| {
            let along = |from: i64, to: i64| from + (to - from) * percent / 100;
            Area::around((along(link.from.0, link.to.0), along(link.from.1, link.to.1)), width, height)
        };
        let crossings = |area: Area| {
            let others = links.iter().enumerate().filter(|&(other, _)| other != index);
            others.filter(|(_, other)| area.is_crossed(other.from, other.to)).count()
        };
        let free = PLACES_OF_VALUE.map(at);
        let free = free.into_iter().filter(|area| taken.iter().all(|other| !area.is_near(*other, 2)));
        // Without a free place, the line's colour and thickness still tell how near the nodes are.
        let Some(area) = free.min_by_key(|&area| crossings(area)) else { continue };
        svg.area(area, "label");
        svg.text_in(area, &value);
        taken.push(area);
    }
}

fn links(topology: &NumaTopology, areas: &[Area]) -> Vec<Link> {
    let distance = |from, to| {
        let node = |index| NodeId::new(index).unwrap_or_default();
        topology.distance(node(from), node(to)).unwrap_or(UNREACHABLE)
    };
    let link = |(a, b): (usize, usize)| Link {
        from: areas[a].middle(),
        to: areas[b].middle(),
        distances: (distance(a, b), distance(b, a)),
    };
    pairs(areas.len()).map(link).collect()
}

fn bounds(links: &[Link]) -> (u8, u8) {
    let known = || links.iter().map(Link::nearest).filter(|&distance| distance != UNREACHABLE);
    (known().min().unwrap_or(0), known().max().unwrap_or(0))
}

fn farness(distance: u8, near: u8, far: u8) -> i64 {
    let (distance, near, far) = (i64::from(distance), i64::from(near), i64::from(far));
    if far == near { 0 } else { (distance - near) * 1000 / (far - near) }
}
