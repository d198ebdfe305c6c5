// Azurite, Microsoft's emulator of Azure Blob, in memory and on a port of its own, with one container.
// Usage: node -e PROGRAM ACCOUNT KEY CONTAINER, with NODE_PATH where azurite is. Prints the port; ends when its input does.
"use strict";
const crypto = require("crypto");
const http = require("http");
const [account, key, container] = process.argv.slice(1);

// Azurite reads its options as a program does, and where it keeps its accounts.
process.argv.splice(1);
process.argv.push("azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent");
process.env.AZURITE_ACCOUNTS = `${account}:${key}`;
// Its words about the start are not the port.
console.log = () => {};

const { BlobServerFactory } = require("azurite/dist/src/blob/BlobServerFactory");
const { configLogger } = require("azurite/dist/src/common/Logger");
const { setExtentMemoryLimit } = require("azurite/dist/src/common/ConfigurationBase");
const BlobEnvironment = require("azurite/dist/src/blob/BlobEnvironment").default;

function makeContainer(port) {
    const date = new Date().toUTCString();
    const path = `/${account}/${container}`;
    const headers = `x-ms-date:${date}\nx-ms-version:2022-11-02`;
    // The path has the account in it, and the resource once more before it.
    const text = `PUT\n\n\n\n\n\n\n\n\n\n\n\n${headers}\n/${account}${path}\nrestype:container`;
    const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
    const request = {
        host: "127.0.0.1",
        port,
        method: "PUT",
        path: `${path}?restype=container`,
        headers: {
            "x-ms-date": date,
            "x-ms-version": "2022-11-02",
            "content-length": 0,
            authorization: `SharedKey ${account}:${signature}`,
        },
    };
    return new Promise((resolve, reject) => {
        const sent = http.request(request, (answer) => {
            answer.resume();
            answer.statusCode === 201 ? resolve() : reject(new Error(`the container: ${answer.statusCode}`));
        });
        sent.on("error", reject).end();
    });
}

async function main() {
    const server = await new BlobServerFactory().createServer();
    configLogger(false);
    setExtentMemoryLimit(new BlobEnvironment(), false);
    await server.start();
    const port = Number(new URL(server.getHttpServerAddress()).port);
    await makeContainer(port);
    process.stdout.write(`${port}\n`);
}

// Ends with whoever started it.
process.stdin.on("end", () => process.exit(0)).resume();
main().catch((error) => {
    console.error(error);
    process.exit(1);
});
