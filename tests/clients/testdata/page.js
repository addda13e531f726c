// Runs statements by tedious and by mssql, unmodified, against the server that the first argument describes, and prints the columns and rows of each as JSON.
const bench = JSON.parse(process.argv[2]);
const fs = require('fs');
const { Connection, Request } = require('tedious');
const mssql = require('mssql');

const options = { database: bench.database, port: bench.port, requestTimeout: 0, serverName: 'localhost', cryptoCredentialsDetails: { ca: fs.readFileSync(bench.ca) } };

function tedious(encrypt) {
  return new Promise((resolve, reject) => {
    const connection = new Connection({
      server: bench.host, authentication: { type: 'default', options: { userName: bench.user, password: bench.password } },
      options: { ...options, encrypt, rowCollectionOnRequestCompletion: false },
    });
    connection.connect(async err => {
      if (err) return reject(err);
      const all = [];
      for (const text of bench.statements) {
        all.push(await new Promise((resolve, reject) => {
          const seen = { columns: [], rows: [] };
          const request = new Request(text, err => err ? reject(err) : resolve(seen));
          request.on('columnMetadata', columns => { seen.columns = columns.map(c => [c.colName, c.type.name, c.dataLength ?? null]); });
          request.on('row', columns => seen.rows.push(columns.map(c => c.value)));
          connection.execSqlBatch(request);
        }).catch(err => ({ error: err.message })));
      }
      connection.close();
      resolve(all);
    });
  });
}

async function mssqls(encrypt) {
  const pool = await new mssql.ConnectionPool({ server: bench.host, port: bench.port, user: bench.user, password: bench.password, database: bench.database, requestTimeout: 0,
    options: { encrypt, serverName: 'localhost', cryptoCredentialsDetails: options.cryptoCredentialsDetails } }).connect();
  const all = [];
  for (const text of bench.statements) {
    try {
      const { recordset } = await pool.request().query(text);
      all.push({ columns: Object.values(recordset.columns).map(c => [c.name, c.type.declaration, c.length ?? null]), rows: recordset.map(row => Object.values(row)) });
    } catch (err) {
      all.push({ error: err.message });
    }
  }
  await pool.close();
  return all;
}

(async () => {
  const out = {};
  for (const encrypt of [false, true, 'strict']) out['tedious ' + encrypt] = await tedious(encrypt);
  for (const encrypt of [false, true]) out['mssql ' + encrypt] = await mssqls(encrypt);
  console.log(JSON.stringify(out));
})().catch(err => { console.error(err); process.exit(1); });
