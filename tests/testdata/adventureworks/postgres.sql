-- The tables of AdventureWorksDW whose data is at hand, for PostgreSQL: names in lower case; tinyint is smallint, float and real are double
-- precision, money is numeric(19,4), datetime is timestamp(3), nvarchar is varchar or, without limit, text, varbinary is bytea. Each is loaded by
--   COPY … FROM STDIN (FORMAT csv, DELIMITER '|', NULL '')
-- (the bytes of dimsalesterritory need a \x before them).

CREATE TABLE dimaccount (
    "accountkey" integer NOT NULL,
    "parentaccountkey" integer,
    "accountcodealternatekey" integer,
    "parentaccountcodealternatekey" integer,
    "accountdescription" character varying(50),
    "accounttype" character varying(50),
    "operator" character varying(50),
    "custommembers" character varying(300),
    "valuetype" character varying(50),
    "custommemberoptions" character varying(200)
);

CREATE TABLE dimcurrency (
    "currencykey" integer NOT NULL,
    "currencyalternatekey" character(3) NOT NULL,
    "currencyname" character varying(50) NOT NULL
);

CREATE TABLE dimdate (
    "datekey" integer NOT NULL,
    "fulldatealternatekey" date NOT NULL,
    "daynumberofweek" smallint NOT NULL,
    "englishdaynameofweek" character varying(10) NOT NULL,
    "spanishdaynameofweek" character varying(10) NOT NULL,
    "frenchdaynameofweek" character varying(10) NOT NULL,
    "daynumberofmonth" smallint NOT NULL,
    "daynumberofyear" smallint NOT NULL,
    "weeknumberofyear" smallint NOT NULL,
    "englishmonthname" character varying(10) NOT NULL,
    "spanishmonthname" character varying(10) NOT NULL,
    "frenchmonthname" character varying(10) NOT NULL,
    "monthnumberofyear" smallint NOT NULL,
    "calendarquarter" smallint NOT NULL,
    "calendaryear" smallint NOT NULL,
    "calendarsemester" smallint NOT NULL,
    "fiscalquarter" smallint NOT NULL,
    "fiscalyear" smallint NOT NULL,
    "fiscalsemester" smallint NOT NULL
);

CREATE TABLE dimdepartmentgroup (
    "departmentgroupkey" integer NOT NULL,
    "parentdepartmentgroupkey" integer,
    "departmentgroupname" character varying(50)
);

CREATE TABLE dimgeography (
    "geographykey" integer NOT NULL,
    "city" character varying(30),
    "stateprovincecode" character varying(3),
    "stateprovincename" character varying(50),
    "countryregioncode" character varying(3),
    "englishcountryregionname" character varying(50),
    "spanishcountryregionname" character varying(50),
    "frenchcountryregionname" character varying(50),
    "postalcode" character varying(15),
    "salesterritorykey" integer,
    "ipaddresslocator" character varying(15)
);

CREATE TABLE dimorganization (
    "organizationkey" integer NOT NULL,
    "parentorganizationkey" integer,
    "percentageofownership" character varying(16),
    "organizationname" character varying(50),
    "currencykey" integer
);

CREATE TABLE dimproductcategory (
    "productcategorykey" integer NOT NULL,
    "productcategoryalternatekey" integer,
    "englishproductcategoryname" character varying(50) NOT NULL,
    "spanishproductcategoryname" character varying(50) NOT NULL,
    "frenchproductcategoryname" character varying(50) NOT NULL
);

CREATE TABLE dimproductsubcategory (
    "productsubcategorykey" integer NOT NULL,
    "productsubcategoryalternatekey" integer,
    "englishproductsubcategoryname" character varying(50) NOT NULL,
    "spanishproductsubcategoryname" character varying(50) NOT NULL,
    "frenchproductsubcategoryname" character varying(50) NOT NULL,
    "productcategorykey" integer
);

CREATE TABLE dimpromotion (
    "promotionkey" integer NOT NULL,
    "promotionalternatekey" integer,
    "englishpromotionname" character varying(255),
    "spanishpromotionname" character varying(255),
    "frenchpromotionname" character varying(255),
    "discountpct" double precision,
    "englishpromotiontype" character varying(50),
    "spanishpromotiontype" character varying(50),
    "frenchpromotiontype" character varying(50),
    "englishpromotioncategory" character varying(50),
    "spanishpromotioncategory" character varying(50),
    "frenchpromotioncategory" character varying(50),
    "startdate" timestamp(3) NOT NULL,
    "enddate" timestamp(3),
    "minqty" integer,
    "maxqty" integer
);

CREATE TABLE dimreseller (
    "resellerkey" integer NOT NULL,
    "geographykey" integer,
    "reselleralternatekey" character varying(15),
    "phone" character varying(25),
    "businesstype" character varying(20) NOT NULL,
    "resellername" character varying(50) NOT NULL,
    "numberemployees" integer,
    "orderfrequency" character(1),
    "ordermonth" smallint,
    "firstorderyear" integer,
    "lastorderyear" integer,
    "productline" character varying(50),
    "addressline1" character varying(60),
    "addressline2" character varying(60),
    "annualsales" numeric(19,4),
    "bankname" character varying(50),
    "minpaymenttype" smallint,
    "minpaymentamount" numeric(19,4),
    "annualrevenue" numeric(19,4),
    "yearopened" integer
);

CREATE TABLE dimsalesreason (
    "salesreasonkey" integer NOT NULL,
    "salesreasonalternatekey" integer NOT NULL,
    "salesreasonname" character varying(50) NOT NULL,
    "salesreasonreasontype" character varying(50) NOT NULL
);

CREATE TABLE dimsalesterritory (
    "salesterritorykey" integer NOT NULL,
    "salesterritoryalternatekey" integer,
    "salesterritoryregion" character varying(50) NOT NULL,
    "salesterritorycountry" character varying(50) NOT NULL,
    "salesterritorygroup" character varying(50),
    "salesterritoryimage" bytea
);

CREATE TABLE dimscenario (
    "scenariokey" integer NOT NULL,
    "scenarioname" character varying(50)
);

CREATE TABLE factadditionalinternationalproductdescription (
    "productkey" integer NOT NULL,
    "culturename" character varying(50) NOT NULL,
    "productdescription" text NOT NULL
);

CREATE TABLE factcallcenter (
    "factcallcenterid" integer NOT NULL,
    "datekey" integer NOT NULL,
    "wagetype" character varying(15) NOT NULL,
    "shift" character varying(20) NOT NULL,
    "leveloneoperators" smallint NOT NULL,
    "leveltwooperators" smallint NOT NULL,
    "totaloperators" smallint NOT NULL,
    "calls" integer NOT NULL,
    "automaticresponses" integer NOT NULL,
    "orders" integer NOT NULL,
    "issuesraised" smallint NOT NULL,
    "averagetimeperissue" smallint NOT NULL,
    "servicegrade" double precision NOT NULL,
    "date" timestamp(3)
);

CREATE TABLE factcurrencyrate (
    "currencykey" integer NOT NULL,
    "datekey" integer NOT NULL,
    "averagerate" double precision NOT NULL,
    "endofdayrate" double precision NOT NULL,
    "date" timestamp(3)
);

CREATE TABLE factfinance (
    "financekey" integer NOT NULL,
    "datekey" integer NOT NULL,
    "organizationkey" integer NOT NULL,
    "departmentgroupkey" integer NOT NULL,
    "scenariokey" integer NOT NULL,
    "accountkey" integer NOT NULL,
    "amount" double precision NOT NULL,
    "date" timestamp(3)
);

CREATE TABLE factinternetsalesreason (
    "salesordernumber" character varying(20) NOT NULL,
    "salesorderlinenumber" smallint NOT NULL,
    "salesreasonkey" integer NOT NULL
);

CREATE TABLE factsalesquota (
    "salesquotakey" integer NOT NULL,
    "employeekey" integer NOT NULL,
    "datekey" integer NOT NULL,
    "calendaryear" smallint NOT NULL,
    "calendarquarter" smallint NOT NULL,
    "salesamountquota" numeric(19,4) NOT NULL,
    "date" timestamp(3)
);

CREATE TABLE factsurveyresponse (
    "surveyresponsekey" integer NOT NULL,
    "datekey" integer NOT NULL,
    "customerkey" integer NOT NULL,
    "productcategorykey" integer NOT NULL,
    "englishproductcategoryname" character varying(50) NOT NULL,
    "productsubcategorykey" integer NOT NULL,
    "englishproductsubcategoryname" character varying(50) NOT NULL,
    "date" timestamp(3)
);

CREATE TABLE newfactcurrencyrate (
    "averagerate" double precision,
    "currencyid" character varying(3),
    "currencydate" date,
    "endofdayrate" double precision,
    "currencykey" integer,
    "datekey" integer
);

CREATE TABLE prospectivebuyer (
    "prospectivebuyerkey" integer NOT NULL,
    "prospectalternatekey" character varying(15),
    "firstname" character varying(50),
    "middlename" character varying(50),
    "lastname" character varying(50),
    "birthdate" timestamp(3),
    "maritalstatus" character(1),
    "gender" character varying(1),
    "emailaddress" character varying(50),
    "yearlyincome" numeric(19,4),
    "totalchildren" smallint,
    "numberchildrenathome" smallint,
    "education" character varying(40),
    "occupation" character varying(100),
    "houseownerflag" character(1),
    "numbercarsowned" smallint,
    "addressline1" character varying(120),
    "addressline2" character varying(120),
    "city" character varying(30),
    "stateprovincecode" character varying(3),
    "postalcode" character varying(15),
    "phone" character varying(20),
    "salutation" character varying(8),
    "unknown" integer
);
