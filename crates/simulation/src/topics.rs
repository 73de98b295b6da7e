//! Topics as lists in memory, and where their readers are.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use contracts::events::{Event, EventType};
use contracts::ids::OrderId;
use contracts::topic::Topic;
use contracts::trace::TraceContext;
use uuid::Uuid;

/// An event as it is published: the same at every delivery.
#[derive(Debug)]
pub struct Record {
    /// The event's own id, by which inboxes know it.
    pub id: Uuid,
    /// What happened.
    pub event: Event,
    /// Which type that is.
    pub event_type: EventType,
    /// The trace it belongs to.
    pub trace: TraceContext,
    /// The key: records of one are in order.
    pub key: String,
    /// The order it is about, if the key is one.
    pub order: Option<OrderId>,
}

impl Record {
    /// An event under an id.
    pub fn new(id: Uuid, event: Event, trace: TraceContext) -> Rc<Self> {
        let (event_type, key) = (event.event_type(), event.key());
        let order = key.parse().ok();
        Rc::new(Self { id, event, event_type, trace, key, order })
    }
}

/// All records of one key on one topic. Each has a partition to itself: so there is no order between
/// keys, and whatever can happen with fewer partitions can happen here.
#[derive(Debug)]
pub struct Lane {
    /// The topic.
    pub topic: Topic,
    /// In order, each with its place among all that was ever published.
    pub records: Vec<(u32, Rc<Record>)>,
}

/// All topics.
#[derive(Debug, Default)]
pub struct Topics {
    lanes: Vec<Lane>,
    index: HashMap<(Topic, String), usize>,
    published: u32,
}

impl Topics {
    /// Puts a record behind the others of its key.
    pub fn publish(&mut self, record: Rc<Record>) {
        let topic = record.event_type.topic();
        let at = *self.index.entry((topic, record.key.clone())).or_insert_with(|| {
            self.lanes.push(Lane { topic, records: Vec::new() });
            self.lanes.len() - 1
        });
        self.published += 1;
        self.lanes[at].records.push((self.published, record));
    }

    /// The lanes, in the order of their first records.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }
}

/// What a service has read and handled.
#[derive(Debug)]
pub struct Reader {
    handles: &'static [EventType],
    /// Where it is, by lane.
    next: Vec<usize>,
    /// The ids it has handled and not forgotten.
    inbox: HashSet<Uuid>,
}

impl Reader {
    /// One that begins with the first records.
    pub fn new(handles: &'static [EventType]) -> Self {
        Self { handles, next: Vec::new(), inbox: HashSet::new() }
    }

    /// The next record of a lane and its place among all, if there is one that the service handles.
    pub fn peek<'t>(&mut self, topics: &'t Topics, lane: usize) -> Option<&'t (u32, Rc<Record>)> {
        if self.next.len() <= lane {
            self.next.resize(topics.lanes.len(), 0);
        }
        let records = &topics.lanes[lane].records;
        let next = &mut self.next[lane];
        while let Some(entry) = records.get(*next) {
            if self.handles.contains(&entry.1.event_type) {
                return Some(entry);
            }
            *next += 1;
        }
        None
    }

    /// Goes on behind the record that [`Reader::peek`] has shown.
    pub fn advance(&mut self, lane: usize) {
        self.next[lane] += 1;
    }

    /// Where the reader is, to go back to.
    pub fn positions(&self) -> Vec<usize> {
        self.next.clone()
    }

    /// Goes back to where it was: what it has read since comes again.
    pub fn go_back(&mut self, positions: Vec<usize>) {
        self.next = positions;
    }

    /// Goes back to the beginning of a topic, or of all.
    pub fn read_again(&mut self, topics: &Topics, topic: Option<Topic>) {
        for (next, lane) in self.next.iter_mut().zip(&topics.lanes) {
            if topic.is_none_or(|topic| topic == lane.topic) {
                *next = 0;
            }
        }
    }

    /// Marks an id as handled; whether it was not.
    pub fn is_new(&mut self, id: Uuid) -> bool {
        self.inbox.insert(id)
    }

    /// Forgets an id, as the inbox does beyond its horizon, or when its transaction rolls back.
    pub fn forget(&mut self, id: Uuid) {
        self.inbox.remove(&id);
    }

    /// Forgets all.
    pub fn forget_all(&mut self) {
        self.inbox.clear();
    }
}
