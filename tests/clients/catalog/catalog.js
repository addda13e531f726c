// What the catalog gives through npm's mssql, over tedious: arguments are host, port, user and password.
const sql = require('mssql');
const [server, port, user, password] = process.argv.slice(2);
const show = (what, rows) => console.log(what + ': ' + rows.map((row) => Object.values(row).join(' ')).join('; '));

(async () => {
  const pool = await sql.connect({server, port: Number(port), user, password, database: 'Sales', options: {encrypt: false, trustServerCertificate: true}});
  show('tables', (await pool.request().input('type', sql.VarChar(10), 'BASE TABLE').query('SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = @type')).recordset);
  show('views', (await pool.request().query("SELECT s.name AS owner, v.name FROM sys.views v JOIN sys.schemas s ON s.schema_id = v.schema_id WHERE v.name LIKE 'refresh%' ORDER BY v.name")).recordset);
  const columns = await pool.request().input('table_name', sql.NVarChar(384), 'endpoints').input('ODBCVer', sql.Int, 3).execute('sp_columns');
  show('columns', columns.recordset.map((row) => [row.COLUMN_NAME, row.DATA_TYPE, row.TYPE_NAME]));
  show('id', (await pool.request().query("SELECT OBJECTPROPERTY(OBJECT_ID('dbo.endpoints'), 'IsView') AS view, OBJECT_NAME(OBJECT_ID('[Orders].[Orders]')) AS name")).recordset);
  await pool.close();
})().catch((error) => { console.error(error); process.exit(1); });
