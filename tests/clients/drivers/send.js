// nodemailer builds each message and sends it: HOST PORT TLS CA USER PASSWORD JOB...
const fs = require("fs");
const nodemailer = require("nodemailer");

const [host, port, tls, ca, user, pass, ...jobs] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: tls === "implicit",
  requireTLS: tls === "starttls",
  ignoreTLS: tls === "off",
  pool: true,
  maxConnections: 1,
  maxMessages: Infinity,
  name: "node.example",
  auth: user ? { user, pass } : undefined,
  tls: { ca: fs.readFileSync(ca), servername: "localhost" },
});

async function send(job) {
  const [from, ...to] = fs.readFileSync(`${job}/envelope`, "utf8").trim().split("\n");
  const [subject, text] = ["subject", "text"].map((name) => fs.readFileSync(`${job}/${name}`, "utf8"));
  const attachments = fs.existsSync(`${job}/attachment`) ? [{ filename: "a.bin", path: `${job}/attachment` }] : [];
  const composed = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const { message } = await composed.sendMail({ from, to, subject, text, attachments });
  fs.writeFileSync(`${job}/message.eml`, message);
  await transport.sendMail({ envelope: { from, to }, raw: message });
}

(async () => {
  for (const job of jobs) await send(job);
  transport.close();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
