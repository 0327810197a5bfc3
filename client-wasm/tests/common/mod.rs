//! A device in a test: the core, a worker around it that answers in the same breath, and what it was told.
//!
//! One lives at a time: the next one takes its place.
#![allow(clippy::unwrap_used)] // a browser that has no fetch or no JSON should fail right there

use js_sys::futures::JsFuture;
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use pulsegate_client_wasm::{MAKE, input, kind};
use pulsegate_proto::frame::{Message, read_message};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What the core said.
#[derive(Clone, Debug)]
pub struct Told {
    pub kind: u32,
    pub x: f64,
    pub y: f64,
    pub bytes: Vec<u8>,
}

impl Told {
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    /// The log of a message, and the message.
    pub fn message(&self) -> (String, Message) {
        let (length, rest) = self.bytes.split_first().unwrap();
        let (log, message) = rest.split_at(usize::from(*length));
        (String::from_utf8(log.to_vec()).unwrap(), read_message(message).unwrap())
    }
}

/// What storage would hold.
#[derive(Clone, Default)]
pub struct Kept {
    pub registration: String,
    pub secret: Vec<u8>,
    pub generation: f64,
    pub cursors: Vec<(String, f64, f64)>,
}

#[derive(Default)]
struct Memory {
    told: Vec<Told>,
    kept: Kept,
    wake: Option<Function>,
}

/// See the top of the file.
pub struct Device {
    memory: Rc<RefCell<Memory>>,
    _tell: Closure<dyn FnMut(u32, f64, f64, Uint8Array)>,
}

impl Device {
    /// A device at `gateway` with what an earlier one kept; it connects.
    pub fn start(gateway: &str, kept: Kept) -> Self {
        let memory = Rc::new(RefCell::new(Memory { kept: kept.clone(), ..Memory::default() }));
        let heard = Rc::clone(&memory);
        let tell = Closure::new(move |kind, x, y, bytes: Uint8Array| {
            answer(&heard, Told { kind, x, y, bytes: bytes.to_vec() });
        });
        Reflect::set(&js_sys::global(), &"pulsegateTell".into(), tell.as_ref()).unwrap();
        let url = format!("{}/v1/connect", gateway.replacen("http", "ws", 1));
        input(MAKE, js_sys::Math::random(), 0.0, format!("{url}\ndemo\npulsegate-test").into_bytes());
        for (log, epoch, seq) in &kept.cursors {
            input(11, *epoch, *seq, log.clone().into_bytes());
        }
        let mut bytes = vec![u8::try_from(kept.registration.len()).unwrap()];
        bytes.extend_from_slice(kept.registration.as_bytes());
        bytes.extend_from_slice(&kept.secret);
        input(12, kept.generation, js_sys::Date::now(), bytes);
        Self { memory, _tell: tell }
    }

    /// Tells the core something.
    pub fn say(&self, kind: u32, x: f64, bytes: &[u8]) {
        input(kind, x, 0.0, bytes.to_vec());
    }

    pub fn subscribe(&self, topic: &str) {
        self.say(18, 0.0, topic.as_bytes());
    }

    pub fn kept(&self) -> Kept {
        self.memory.borrow().kept.clone()
    }

    pub fn told(&self) -> Vec<Told> {
        self.memory.borrow().told.clone()
    }

    /// The first thing that `wanted` says yes to, when it is told.
    pub async fn until(&self, wanted: impl Fn(&Told) -> bool) -> Told {
        loop {
            if let Some(found) = self.memory.borrow().told.iter().find(|told| wanted(told)).cloned() {
                return found;
            }
            let mut wake = None;
            let woken = Promise::new(&mut |resolve, _| wake = Some(resolve));
            self.memory.borrow_mut().wake = wake;
            JsFuture::from(woken).await.unwrap();
        }
    }

    /// The bodies of the messages so far.
    pub fn bodies(&self) -> Vec<String> {
        self.told()
            .iter()
            .filter(|told| told.kind == kind::MESSAGE)
            .map(|told| told.message().1.body.body)
            .collect()
    }

    /// The bodies of the messages, once there are `count`.
    pub async fn ticks(&self, count: usize) -> Vec<u64> {
        self.until(|_| self.bodies().len() >= count).await;
        let number = |body: &String| body.rsplit(' ').next().unwrap().parse().unwrap();
        self.bodies().iter().map(number).collect()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.say(1, 0.0, b"");
    }
}

/// Does what a worker does, and answers before the core has finished speaking.
fn answer(memory: &Rc<RefCell<Memory>>, told: Told) {
    let mut here = memory.borrow_mut();
    match told.kind {
        kind::SAVE => {
            let secret = told.bytes.len().min(32);
            here.kept.secret = told.bytes[..secret].to_vec();
            here.kept.registration = String::from_utf8(told.bytes[secret..].to_vec()).unwrap();
            here.kept.generation = told.x;
        }
        kind::CURSOR => {
            let log = told.text();
            here.kept.cursors.retain(|(name, ..)| *name != log);
            here.kept.cursors.push((log, told.x, told.y));
        }
        _ => {}
    }
    let wake = here.wake.take();
    let (kind, no) = (told.kind, told.x);
    here.told.push(told);
    drop(here);
    match kind {
        kind::NEED_TOKEN => input(17, 0.0, 0.0, Vec::new()),
        kind::SAVE => input(13, 0.0, 0.0, Vec::new()),
        kind::COMMIT => input(14, no, 0.0, Vec::new()),
        _ => {}
    }
    if let Some(wake) = wake {
        wake.call0(&JsValue::UNDEFINED).unwrap();
    }
}

/// Where the gateway of this run listens: written beside the tests before they run.
pub async fn gateway() -> String {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap();
    let call = |object: &JsValue, name: &str, words: &[&str]| {
        let words: Array = words.iter().map(|word| JsValue::from_str(word)).collect();
        get(object, name).unchecked_into::<Function>().apply(object, &words).unwrap()
    };
    let global = js_sys::global();
    let response = JsFuture::from(call(&global, "fetch", &["/test-env.json"]).unchecked_into::<Promise>())
        .await
        .unwrap();
    let json = JsFuture::from(call(&response, "json", &[]).unchecked_into::<Promise>()).await.unwrap();
    get(&json, "gateway").as_string().unwrap()
}

/// The same conversations in every place a browser has for code.
#[macro_export]
macro_rules! conversations {
    () => {
        use common::{Device, Kept, gateway};
        use pulsegate_client_wasm::kind;
        use wasm_bindgen_test::wasm_bindgen_test;

        #[wasm_bindgen_test]
        async fn a_new_device_is_welcomed_and_keeps_who_it_is() {
            let device = Device::start(&gateway().await, Kept::default());
            let welcomed = device.until(|told| told.kind == kind::WELCOMED).await.text();
            let kept = device.kept();
            assert_eq!(welcomed.lines().next(), Some(kept.registration.as_str()));
            assert_eq!(kept.secret.len(), 32);
            assert!(device.told().iter().any(|told| told.kind == kind::STATE && told.x == 2.0), "connected");
        }

        #[wasm_bindgen_test]
        async fn messages_of_a_topic_arrive_in_order_with_their_text() {
            let device = Device::start(&gateway().await, Kept::default());
            device.subscribe("ticks");
            let ticks = device.ticks(3).await;
            assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ticks:?}");
            let message = device.until(|told| told.kind == kind::MESSAGE).await;
            assert_eq!(message.x, 1.0, "stored");
            let (log, message) = message.message();
            assert_eq!(log, "topic:ticks");
            assert_eq!(message.notification.unwrap().title, "tick");
            assert!(message.expires > message.published);
        }

        #[wasm_bindgen_test]
        async fn a_later_core_goes_on_where_the_earlier_one_stored() {
            let gateway = gateway().await;
            let first = Device::start(&gateway, Kept::default());
            first.subscribe("ticks");
            let seen = first.ticks(2).await;
            first.until(|told| told.kind == kind::CURSOR && told.text() == "topic:ticks").await;
            let (kept, last) = (first.kept(), first.bodies().len());
            drop(first);
            let second = Device::start(&gateway, kept.clone());
            let ticks = second.ticks(2).await;
            assert_eq!(ticks[0], seen[0] + last as u64, "neither lost nor twice");
            assert_eq!(second.kept().registration, kept.registration);
            assert!(second.kept().generation > kept.generation);
            assert!(second.told().iter().all(|told| told.kind != kind::WIPE && told.kind != kind::GAP));
        }

        #[wasm_bindgen_test]
        async fn tags_that_are_none_are_refused_without_asking_the_gateway() {
            let device = Device::start(&gateway().await, Kept::default());
            device.say(20, 7.0, b"+vip\n-not");
            let settled = device.until(|told| told.kind == kind::SETTLED).await;
            assert_eq!((settled.x, settled.y), (7.0, 400.0));
        }

        #[wasm_bindgen_test]
        async fn a_gateway_that_is_not_there_is_tried_again() {
            // Port 9 is the discard service: no browser opens a socket to it.
            let device = Device::start("http://127.0.0.1:9", Kept::default());
            let state = device.until(|told| told.kind == kind::STATE && told.y != 0.0).await;
            assert_eq!((state.x, state.y), (1.0, 2.0), "connecting, because the socket was lost");
        }

        #[wasm_bindgen_test]
        async fn timers_that_are_armed_anew_leave_nothing_behind() {
            let device = Device::start(&gateway().await, Kept::default());
            device.until(|told| told.kind == kind::WELCOMED).await;
            let arm = |times: u32| {
                for _ in 0..times {
                    device.say(5, 0.0, b"");
                }
            };
            arm(1_000);
            let before = memory_bytes();
            // 40 bytes a time would be 2 MB.
            arm(50_000);
            assert_eq!(memory_bytes(), before);
        }

        fn memory_bytes() -> u32 {
            use wasm_bindgen::JsCast;
            let memory = wasm_bindgen::memory().unchecked_into::<js_sys::WebAssembly::Memory>();
            memory.buffer().unchecked_into::<js_sys::ArrayBuffer>().byte_length()
        }
    };
}
