// Runs tedious and mssql, unmodified, against the server that the first argument describes, and prints what they saw as JSON.
const bench = JSON.parse(process.argv[2]);
const fs = require('fs');
const { Connection, Request, TYPES } = require('tedious');
const mssql = require('mssql');

function connect(options) {
  return new Promise((resolve, reject) => {
    const connection = new Connection({
      server: bench.host,
      authentication: { type: 'default', options: { userName: bench.user, password: options.password ?? bench.password } },
      options: {
        port: bench.port, database: 'retail', connectTimeout: 15000, requestTimeout: 15000, rowCollectionOnRequestCompletion: false,
        serverName: 'localhost', cryptoCredentialsDetails: { ca: fs.readFileSync(bench.ca) }, ...options,
      },
    });
    connection.on('error', () => {});
    connection.connect(err => err ? reject(err) : resolve(connection));
  });
}

// run makes a request and collects all that comes of it.
function run(connection, text, { parameters = [], how = 'execSql', cancelAt, output = [], values } = {}) {
  return new Promise(resolve => {
    const seen = { results: [], messages: [], outputs: {} };
    const request = new Request(text, (err, rows) => {
      connection.removeListener('infoMessage', told);
      resolve({ ...seen, rows, error: err && { message: err.message, number: err.number, state: err.state, class: err.class, code: err.code } });
    });
    const told = message => {
      seen.messages.push(message.message);
      if (message.message === cancelAt) connection.cancel();
    };
    connection.on('infoMessage', told);
    for (const [name, type, value, options] of parameters) request.addParameter(name, TYPES[type], value, options);
    for (const [name, type, value] of output) request.addOutputParameter(name, TYPES[type], value);
    request.on('columnMetadata', columns => seen.results.push({ columns: columns.map(c => [c.colName, c.type.name, c.dataLength ?? null]), rows: [] }));
    request.on('row', columns => seen.results.at(-1).rows.push(columns.map(c => c.value)));
    request.on('returnValue', (name, value) => { seen.outputs[name] = value; });
    if (how === 'prepared') {
      request.on('prepared', () => connection.execute(request, values));
      connection.prepare(request);
    } else {
      connection[how](request);
    }
  });
}

async function tedious(options) {
  const connection = await connect(options);
  const out = {
    types: await run(connection, 'select types'),
    nulls: await run(connection, 'select nulls'),
    login: await run(connection, 'select login'),
    two: await run(connection, 'run two'),
    error: await run(connection, 'run fail'),
    message: await run(connection, 'run messages'),
    echo: await run(connection, 'select echo', { parameters: [
      ['Id', 'VarChar', 'aaaaaaaa-bbbb'], ['Text', 'NVarChar', 'Größe 日本'], ['N', 'Int', -5], ['Big', 'BigInt', '9007199254740993'], ['F', 'Float', 2.5], ['B', 'Bit', true],
      ['D', 'Decimal', '12.5', { precision: 19, scale: 4 }], ['G', 'UniqueIdentifier', '6F9619FF-8B86-D011-B42D-00C04FC964FF'], ['T', 'DateTime', new Date(Date.UTC(2026, 1, 28, 12, 0, 0))],
      ['V', 'VarBinary', Buffer.from([1, 2])], ['Nothing', 'NVarChar', null], ['Long', 'NVarChar', 'ü'.repeat(500000)],
    ] }),
    procedure: await run(connection, 'refresh_dataflow', { how: 'callProcedure', parameters: [['Id', 'NVarChar', 'x']], output: [['Kept', 'Int', 7]] }),
    prepared: await run(connection, 'select echo', { how: 'prepared', parameters: [['Id', 'NVarChar']], values: { Id: 'once' } }),
    many: await run(connection, 'rows 3000'),
    cancelled: await run(connection, 'run wait', { cancelAt: 'waiting' }),
    after: await run(connection, 'select 1'),
  };
  out.many.results[0].rows = out.many.results[0].rows.length;
  await new Promise(resolve => connection.reset(resolve));
  out.reset = await run(connection, 'select 1');
  connection.close();
  return out;
}

async function pool(encrypt) {
  const connected = await new mssql.ConnectionPool({ server: bench.host, port: bench.port, user: bench.user, password: bench.password, database: 'retail',
    options: { encrypt, trustServerCertificate: true } }).connect();
  try {
    const simple = await connected.query`select echo ${'Größe'}, ${5}`;
    const prepared = new mssql.PreparedStatement(connected);
    prepared.input('Id', mssql.NVarChar(36));
    await prepared.prepare('select echo');
    const one = await prepared.execute({ Id: 'one' });
    const two = await prepared.execute({ Id: 'two' });
    await prepared.unprepare();
    const transaction = new mssql.Transaction(connected);
    await transaction.begin();
    const inside = await new mssql.Request(transaction).query('select 1');
    await transaction.commit();
    let error;
    try { await connected.query('run fail'); } catch (err) { error = { message: err.message, number: err.number, state: err.state, class: err.class, line: err.lineNumber }; }
    const procedure = await connected.request().input('Id', 'x').execute('refresh_dataflow');
    return { simple: simple.recordset, one: one.recordset, two: two.recordset, inside: inside.recordset, error, status: procedure.returnValue, rows: procedure.recordset };
  } finally {
    await connected.close();
  }
}

(async () => {
  const out = {};
  for (const [name, options] of Object.entries(bench.tedious)) {
    try { out[name] = await tedious(options); } catch (err) { out[name] = { failed: err.message }; }
  }
  for (const encrypt of bench.mssql) {
    try { out['mssql ' + encrypt] = await pool(encrypt); } catch (err) { out['mssql ' + encrypt] = { failed: err.message }; }
  }
  try { await connect({ encrypt: false, password: 'wrong-secret' }); out.wrong = {}; } catch (err) { out.wrong = { failed: err.message }; }
  process.stdout.write(JSON.stringify(out), () => process.exit(0));
})();
