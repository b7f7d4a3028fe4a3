//! Spellings of names: what is unique, what is looked up by name, how lists are sorted, and the slugs of names.

use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

async fn tier(world: &World, stage: &Stage, (name, category): (&str, &str)) -> Answer {
    let document = "mutation($event: ID!, $name: String!, $scope: [String!]!) {
        createTier(input: { eventId: $event, name: $name, categories: $scope, taxBasisPoints: 0,
            basePrice: { amount: \"1.00\", currency: \"EUR\" } }) {
            tier { id version name categories } errors { code path message } } }";
    let input = json!({ "event": stage.event, "name": name, "scope": [category] });
    world.gql(Some(&stage.vendor), document, input).await
}

/// A draft of an event at the stage's venue, with this plan as its seat map.
async fn draft(world: &World, stage: &mut Stage, plan: &Value) {
    world.import(&stage.vendor, &stage.venue, &plan.to_string()).await;
    let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } errors { code message path } } }";
    let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
        "name": "Draft", "startsAt": "2027-01-01T18:00:00Z", "endsAt": "2027-01-01T20:00:00Z" });
    let event = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
    stage.event = event.text("createEvent.event.id");
}

/// A plan with one standing area of each category.
fn plan(categories: &[&str]) -> Value {
    let area = |(index, name): (usize, &&str)| {
        json!({ "shape": "circle", "circle": { "radius": 5 }, "position": { "x": 10 * index + 5, "y": 5 },
            "capacity": 50, "area_guid": format!("a{index}"), "name": name, "category": name })
    };
    json!({
        "name": "Hall", "size": { "width": 100, "height": 100 },
        "categories": categories.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "zones": [{ "name": "Zone", "position": { "x": 0, "y": 0 },
            "areas": categories.iter().enumerate().map(area).collect::<Vec<_>>() }],
    })
}

#[test]
fn tier_names_are_unique_in_every_spelling() {
    run(async |world: &World| {
        let mut stage = world.stage().await;
        draft(world, &mut stage, &plan(&["A", "B", "C", "D"])).await;
        let first = tier(world, &stage, ("Straßenplätze", "A")).await.good();
        for name in
            ["Straßenplätze", "STRASSENPLÄTZE", "straßenpla\u{308}tze", "  Straßenplätze ", "Ｓtraßenplätze"]
        {
            let again = tier(world, &stage, (name, "B")).await;
            assert_eq!(again.refusal("createTier").as_deref(), Some("TIER_NAME_TAKEN"), "{name}");
        }
        tier(world, &stage, ("Strassenplatze", "B")).await.good();
        let other = tier(world, &stage, ("Rang", "C")).await.good();
        let update = "mutation($input: UpdateTierInput!) { updateTier(input: $input) { tier { name } errors { code } } }";
        let rename = async |answer: &Answer, name: &str, version: i32| {
            let input = json!({ "tierId": answer.data("createTier.tier.id"), "expectedVersion": version, "name": name });
            world.gql(Some(&stage.vendor), update, json!({ "input": input })).await
        };
        assert_eq!(
            rename(&other, "straßenPLÄTZE", 1).await.refusal("updateTier").as_deref(),
            Some("TIER_NAME_TAKEN")
        );
        let own = rename(&first, "STRAẞENPLÄTZE", 1).await.good();
        assert_eq!(own.data("updateTier.tier.name"), "STRAẞENPLÄTZE", "its own name in another spelling");
        rename(&first, "Parkett", 2).await.good();
        rename(&other, "Straßenplätze", 1).await.good();
    });
}

#[test]
fn categories_and_zones_are_found_in_every_spelling() {
    run(async |world: &World| {
        let mut stage = world.stage().await;
        let buyer = world.guest().await;
        let document = "mutation($input: ReserveSeatsInput!) { reserveSeats(input: $input) {
            reservation { id } errors { code message path } } }";
        for (index, (zone, good)) in
            [("HALL", true), ("hall", true), (" Ｈall", true), ("Halle", false)].into_iter().enumerate()
        {
            let pick = json!({ "bestAvailable": { "quantity": 1, "zones": [zone] } });
            let input =
                json!({ "eventId": stage.event, "pick": pick, "idempotencyKey": format!("reserve-{index}") });
            let answer = world.gql(Some(&buyer), document, json!({ "input": input })).await;
            assert_eq!(answer.data("reserveSeats.errors") == json!([]), good, "{zone}: {}", answer.body);
        }
        draft(world, &mut stage, &plan(&["Loge é", "Straße", "Rang", "RANG", "Balkon"])).await;
        for (name, category, stored) in [
            ("1", "LOGE E\u{301}", Some("Loge é")),
            ("2", "STRASSE", Some("Straße")),
            ("3", "RANG", Some("RANG")),
            ("4", "rang", None),
            ("5", "ｂalkon", Some("Balkon")),
            ("6", "Loge e", None),
        ] {
            let answer = tier(world, &stage, (name, category)).await;
            match stored {
                Some(stored) => {
                    assert_eq!(
                        answer.good().data("createTier.tier.categories"),
                        json!([stored]),
                        "{category}"
                    );
                }
                None => assert_eq!(answer.refusal("createTier").as_deref(), Some("INVALID"), "{category}"),
            }
        }
        let again = tier(world, &stage, ("7", "balkon")).await;
        assert_eq!(again.refusal("createTier").as_deref(), Some("ALREADY_PRICED"), "{}", again.body);
    });
}

#[test]
fn lists_are_sorted_as_people_expect() {
    const SORTED: [&str; 11] = [
        "2 Cellos",
        "10 Tenöre",
        "Apfel",
        "Äpfel",
        "apfel 2",
        "Ärzteball",
        "Éclair",
        "Event 9",
        "Event 10",
        "Łódź",
        "zürich",
    ];
    run(async |world: &World| {
        let stage = world.stage().await;
        let operator = world.sign_in("operator").await;
        for name in SORTED.iter().rev() {
            world.event(&stage.vendor, stage.place(), name).await;
            world.published(&stage, json!({ "title": name })).await;
            for (token, mutation) in [
                (&stage.vendor, "createShop(input: { name: $name, currency: \"EUR\" })"),
                (&operator, "createCategory(input: { name: $name })"),
            ] {
                let document =
                    format!("mutation($name: String!) {{ {mutation} {{ errors {{ code path }} }} }}");
                world.gql(Some(token), &document, json!({ "name": name })).await.good();
            }
        }
        for document in [
            "{ list: events(sort: { field: NAME }, first: 100) { nodes { name } } }",
            "{ list: coupons(sort: { field: TITLE }, first: 100) { nodes { name: title } } }",
            "{ list: shops(first: 100) { nodes { name } } }",
            "{ list: categories { name } }",
            "{ viewer { list: shops { shop { name } } } }",
        ] {
            let answer = world.gql(Some(&stage.vendor), document, json!({})).await.good();
            let data =
                if document.contains("viewer") { answer.data("viewer.list") } else { answer.data("list") };
            let rows = data.get("nodes").unwrap_or(&data).as_array().expect("rows").clone();
            let name =
                |row: &Value| row.get("shop").unwrap_or(row)["name"].as_str().expect("a name").to_owned();
            let names: Vec<String> = rows.iter().map(name).collect();
            let own: Vec<&String> = names.iter().filter(|name| SORTED.contains(&name.as_str())).collect();
            assert_eq!(own, SORTED, "{document}");
        }
    });
}

#[test]
fn slugs_are_transliterated() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for (name, slug) in [
            ("Zürich Konzert", "zuerich-konzert"),
            ("U\u{308}ber den Wolken", "ueber-den-wolken"),
            ("GROẞE Straße", "grosse-strasse"),
            ("İstanbul Işık", "istanbul-isik"),
            ("Smørrebrød", "smoerrebroed"),
            ("Łódź", "lodz"),
            ("Москва", "moskva"),
            ("Αθήνα", "athena"),
            ("🎉🎉🎉", ""),
        ] {
            let event = world.event(&stage.vendor, stage.place(), name).await;
            let document = "query($id: ID!) { event(id: $id) { slug } }";
            let found = world.gql(None, document, json!({ "id": event })).await.good().text("event.slug");
            let stem = if slug.is_empty() { "event" } else { slug };
            let (start, unique) = found.rsplit_once('-').expect("a suffix");
            assert_eq!((start, unique.len()), (stem, 8), "{name}");
            let document = "mutation($name: String!) { createShop(input: { name: $name, currency: \"EUR\" }) { shop { slug } errors { code } } }";
            let shop = world.gql(Some(&stage.vendor), document, json!({ "name": name })).await.good();
            let stem = if slug.is_empty() { "shop" } else { slug };
            assert_eq!(shop.text("createShop.shop.slug"), stem, "{name}");
        }
    });
}

#[test]
fn e_mail_addresses_are_one_in_every_spelling() {
    run(async |world: &World| {
        let sign_up = async |email: &str| {
            let document = "mutation($email: String!) { signUp(input: { email: $email, password: \"correct horse battery\",
                name: \"Somebody\" }) { session { accessToken } errors { code path } } }";
            world.gql(None, document, json!({ "email": email })).await
        };
        for (email, spellings) in [
            ("müller@example.de", ["MÜLLER@example.de", "mu\u{308}ller@EXAMPLE.de", "ｍüller@example.de"]),
            ("groß@example.de", ["GROẞ@example.de", "groß@Example.DE", "groß@example．de"]),
            ("νίκος@example.gr", ["ΝΊΚΟΣ@example.gr", "νίκοσ@example.gr", "ΝΊΚΟΣ@EXAMPLE.GR"]),
        ] {
            sign_up(email).await.good();
            for spelling in spellings {
                assert_eq!(
                    sign_up(spelling).await.refusal("signUp").as_deref(),
                    Some("EMAIL_TAKEN"),
                    "{spelling}"
                );
                let document = "mutation($email: String!) { signIn(input: { email: $email,
                    password: \"correct horse battery\" }) { session { accessToken } errors { code } } }";
                world.gql(None, document, json!({ "email": spelling })).await.good();
            }
        }
    });
}
