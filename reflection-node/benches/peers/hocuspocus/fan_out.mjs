// SPDX-License-Identifier: GPL-3.0-or-later
//
// Hocuspocus with Yjs: so many people write in one document, each five operations a second, and how long each operation
// takes to everybody. The server is a process of its own; all people share this one, as they share it with each
// other in the benchmark of Reflection. Nothing is stored. A line of JSON for each count of people:
//
//   node fan_out.mjs 10 50
import { fork } from "node:child_process";
import { once } from "node:events";
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { Server } from "@hocuspocus/server";
import WebSocket from "ws";
import * as Y from "yjs";

const INTERVAL_MS = 200;
// Operations that each writes.
const EACH = 50;
const KEYSTROKE_BYTES = 94;
const PATIENCE_MS = 60_000;

async function serve() {
    const server = new Server({ port: 0, address: "127.0.0.1", quiet: true });
    await server.listen();
    process.send(server.address.port);
    process.on("disconnect", () => process.exit(0));
}

async function join(url, onLate) {
    const document = new Y.Doc();
    const socket = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket });
    const provider = new HocuspocusProvider({ websocketProvider: socket, name: "document", document });
    provider.attach();
    await new Promise((resolve) => provider.on("synced", resolve));
    const written = document.getArray("operations");
    // What somebody wrote themselves counts too, as it does for Reflection.
    written.observe((event) => {
        const now = performance.now();
        for (const { insert } of event.delta) {
            for (const operation of insert ?? []) onLate(now - Number.parseFloat(operation));
        }
    });
    return { provider, socket, written };
}

async function write(person, number) {
    // Not all in the same moment.
    await new Promise((resolve) => setTimeout(resolve, 7 * (number % 29)));
    let left = EACH;
    await new Promise((resolve) => {
        const ticks = setInterval(() => {
            person.written.push([performance.now().toFixed(3).padEnd(KEYSTROKE_BYTES)]);
            left -= 1;
            if (left === 0) {
                clearInterval(ticks);
                resolve();
            }
        }, INTERVAL_MS);
    });
}

async function fanOut(count) {
    const server = fork(import.meta.filename, ["--serve"]);
    const [port] = await once(server, "message");
    const late = [];
    const expected = EACH * count * count;
    let done;
    const all = new Promise((resolve) => (done = resolve));
    const people = [];
    for (let number = 0; number < count; number++) {
        people.push(
            await join(`ws://127.0.0.1:${port}`, (ms) => {
                late.push(ms);
                if (late.length === expected) done();
            }),
        );
    }
    await Promise.all(people.map(write));
    const last = performance.now();
    const patience = setTimeout(done, PATIENCE_MS);
    await all;
    clearTimeout(patience);
    const equal = performance.now() - last;
    for (const { provider, socket } of people) {
        provider.destroy();
        socket.destroy();
    }
    server.disconnect();

    late.sort((one, other) => one - other);
    const at = (share) => late[Math.round((late.length - 1) * share)] / 1000;
    console.log(
        JSON.stringify({
            system: "Hocuspocus 3.4 with Yjs 13.6",
            what: "fan-out",
            people: count,
            operations: expected,
            arrived: late.length,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            equal_after: equal / 1000,
        }),
    );
}

if (process.argv[2] === "--serve") {
    await serve();
} else {
    for (const count of process.argv.slice(2)) await fanOut(Number(count));
    process.exit(0);
}
