//! What nobody can process, on every topic the service hears of.

use messaging::Handler;
use test_support::{poison_blocks_nothing, sample};

use contracts::topic::Topic;
use orders::OrdersHandler;
use service_kit::testing::TestCaller;

use crate::running::{Orders, authorized, expired, reserved};

#[tokio::test]
async fn poison_of_every_kind_is_a_dead_letter_and_what_comes_behind_it_is_processed() {
    let orders = Orders::start().await;
    let order = orders.place(&TestCaller::customer().unwrap()).await;
    let order = order["id"].as_str().unwrap();
    // What is told of an order is good if there is such an order.
    let good = |event_type: contracts::events::EventType| match event_type.topic() {
        Topic::Inventory => reserved(order).event,
        Topic::Payments => authorized(order).event,
        Topic::Expiration => expired(order).event,
        _ => sample(event_type),
    };
    poison_blocks_nothing(&orders.env, &orders.service.pool, OrdersHandler::HANDLES, good).await;
}
